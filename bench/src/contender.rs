//! The servers that are compared, all on the same terms: plain text, persistent connections, equally many workers.

pub(crate) mod envoy;
pub(crate) mod haproxy;
pub(crate) mod nginx;
pub(crate) mod prism;
pub(crate) mod redis;
pub(crate) mod typed_forward;
pub(crate) mod valkey;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;

use crate::process::{Place, Process};

/// A running server.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    /// The address at which it accepts calls.
    pub(crate) address: String,
    pub(crate) process: Process,
    /// The cores on which it was started.
    pub(crate) place: Place,
    pub(crate) kind: WorkerKind,
}

/// What a server's workers are, so that they can be counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WorkerKind {
    /// Threads whose name has this prefix.
    Threads(&'static str),
    /// Processes.
    Processes,
}

impl Contender {
    /// The number of workers it actually has, whatever it was configured with.
    pub(crate) fn workers(&self) -> anyhow::Result<usize> {
        match self.kind {
            WorkerKind::Threads(prefix) => self.process.threads(prefix),
            WorkerKind::Processes => Ok(self.process.children()),
        }
    }
}

/// The path that a line of Python prints: a binary in a package.
pub(crate) fn from_package(python: &Path, package: &str, line: &str) -> anyhow::Result<PathBuf> {
    let output = Command::new(python).args(["-c", line]).current_dir("/").output()?;
    ensure!(output.status.success(), "{} has no package {package}", python.display());
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

/// The parameters of its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup<'a> {
    pub(crate) workers: usize,
    pub(crate) place: Place,
    /// The folder for its files.
    pub(crate) folder: &'a Path,
}
