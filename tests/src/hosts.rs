//! A name with two addresses, for processes that are started with it: each gets its own `/etc/hosts`.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::Command;

use tempfile::NamedTempFile;

use crate::dead::SilentAddress;
use crate::mounts;
use crate::process::{binary, without_variables};

/// The name.
const NAME: &str = "two-addresses.test";

/// The address of [`NAME`] at which servers are to listen; the other one is that of a [`SilentAddress`].
const LIVE: &str = "127.0.0.2";

/// The name, and a silent port at its first address for each of its servers.
#[derive(Debug)]
pub struct Hosts {
    file: NamedTempFile,
}

/// A port that is silent at the first address of the name and free at the second.
#[derive(Debug)]
pub struct Port(SilentAddress);

impl Hosts {
    /// Creates the name.
    ///
    /// # Panics
    /// The process must not mount, or the system prefers the second address.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it makes a file")]
    pub fn new() -> Self {
        let mut file = NamedTempFile::new().expect("a temporary file can be made");
        write!(file, "127.0.0.1 localhost {NAME}\n{LIVE} {NAME}\n").expect("it can be written");
        let hosts = Self { file };
        let resolved = hosts.with("getent", ["ahostsv4", NAME]).output().expect("getent can be run");
        let text = String::from_utf8_lossy(&resolved.stdout);
        let mut addresses: Vec<_> = text.lines().filter_map(|line| line.split(' ').next()).collect();
        addresses.dedup();
        assert_eq!(addresses, ["127.0.0.1", LIVE], "{resolved:?}");
        hosts
    }

    /// A command for a binary of the workspace that knows the name.
    #[must_use]
    pub fn command<A: AsRef<OsStr>>(&self, name: &str, args: impl IntoIterator<Item = A>) -> Command {
        without_variables(self.with(binary(name), args))
    }

    fn with<A: AsRef<OsStr>>(
        &self,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = A>,
    ) -> Command {
        let line = format!("mount --bind '{}' /etc/hosts", self.file.path().display());
        mounts::command_after(&line, program, args)
    }
}

impl Port {
    /// Reserves one.
    ///
    /// # Panics
    /// No port is free.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it takes a port of the system's")]
    pub fn new() -> Self {
        Self(SilentAddress::new())
    }

    /// Where its server is to listen.
    #[must_use]
    pub fn listen(&self) -> String {
        format!("{LIVE}:{}", self.0.port())
    }

    /// Where others are to connect to.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{NAME}:{}", self.0.port())
    }
}
