//! The servers that are compared, all on the same terms: plain text or TLS, persistent connections, equally many workers.

pub(crate) mod envoy;
pub(crate) mod etcd;
pub(crate) mod haproxy;
pub(crate) mod nginx;
pub(crate) mod prism;
pub(crate) mod redis;
pub(crate) mod typed_forward;
pub(crate) mod valkey;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;
use prism_client::{Builder, Client};

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
    /// What callers need beside the address; `None` for plain text without credentials.
    pub(crate) secure: Option<Secure>,
}

/// What callers need where there is TLS.
#[derive(Clone, Debug)]
pub(crate) struct Secure {
    /// The CA of the server's certificate.
    pub(crate) ca_file: PathBuf,
    /// The token that calls carry.
    pub(crate) token: String,
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
    /// The same contender, which callers reach with TLS.
    pub(crate) fn secured(self, secure: Secure) -> Self {
        Self { secure: Some(secure), ..self }
    }

    /// A client of it.
    pub(crate) fn client(&self) -> Builder {
        let builder = Client::builder(&self.address);
        match &self.secure {
            Some(Secure { ca_file, token }) => builder.ca_file(ca_file).token(token),
            None => builder,
        }
    }

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
