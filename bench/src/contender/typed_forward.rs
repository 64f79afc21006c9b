//! The proxy sketched in RFC-026: every call decoded and encoded again, on a multi-thread runtime.

use anyhow::Context as _;

use super::{Contender, Setup, WorkerKind};
use crate::process::{Process, Ready, own_binary};

/// Its name in results.
pub(crate) const NAME: &str = "typed-forward";

/// The typed forward in front of a backend.
pub(crate) fn start(setup: Setup<'_>, backend: &str) -> anyhow::Result<Contender> {
    let mut command = setup.place.command(own_binary(NAME)?);
    command.args(["127.0.0.1:0", backend, &setup.workers.to_string()]);
    let process = Process::start(NAME, command, &Ready::Line, setup.folder)?;
    let address = process.said("grpc").context("the ready line has no address")?.to_owned();
    let kind = WorkerKind::Threads("worker");
    Ok(Contender { name: NAME, address, process, place: setup.place, kind, secure: None })
}
