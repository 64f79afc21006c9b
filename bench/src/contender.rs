//! The servers that are compared, all started under the same terms: clear text, connections kept, so many workers.

pub(crate) mod haproxy;
pub(crate) mod nginx;
pub(crate) mod prism;
pub(crate) mod redis;
pub(crate) mod typed_forward;

use std::path::Path;

use crate::process::{Place, Process};

/// A running server.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    /// Where it takes calls.
    pub(crate) address: String,
    pub(crate) process: Process,
    /// Where it was started to run.
    pub(crate) place: Place,
    pub(crate) kind: WorkerKind,
}

/// What a server's workers are, so that they can be counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WorkerKind {
    /// Threads whose name begins so.
    Threads(&'static str),
    /// Processes.
    Processes,
}

impl Contender {
    /// How many workers it is seen to have, whatever it was told.
    pub(crate) fn workers(&self) -> anyhow::Result<usize> {
        match self.kind {
            WorkerKind::Threads(prefix) => self.process.threads(prefix),
            WorkerKind::Processes => Ok(self.process.children()),
        }
    }
}

/// What it is started with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup<'a> {
    pub(crate) workers: usize,
    pub(crate) place: Place,
    /// For its files.
    pub(crate) folder: &'a Path,
}
