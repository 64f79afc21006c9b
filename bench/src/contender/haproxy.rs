//! HAProxy, HTTP/2 to HTTP/2 in clear text.

use super::{Contender, Setup, WorkerKind};
use crate::process::{Process, Ready, free_address};

/// Its name in results.
pub(crate) const NAME: &str = "haproxy";

/// HAProxy before a backend. The HTTP/2 window is larger than HAProxy's own 64 KiB, so that a value of 64 KiB need not
/// wait for a window update: the configuration that it does best with.
pub(crate) fn start(setup: Setup<'_>, backend: &str) -> anyhow::Result<Contender> {
    let address = free_address()?;
    let config = format!(
        "global\n    nbthread {workers}\n    maxconn 4000\n    log stderr format raw local0\n    \
         tune.h2.initial-window-size 1048576\n\
         defaults\n    mode http\n    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n    \
         http-reuse always\n\
         frontend front\n    bind {address} proto h2\n    default_backend back\n\
         backend back\n    server memstore {backend} proto h2\n",
        workers = setup.workers
    );
    let file = setup.folder.join(format!("haproxy-{}.cfg", setup.workers));
    std::fs::write(&file, config)?;
    let mut command = setup.place.command(NAME);
    command.args(["-db", "-f"]).arg(file);
    let process = Process::start(NAME, command, &Ready::Accepts(address.clone()), setup.folder)?;
    // All of its threads serve.
    let kind = WorkerKind::Threads("");
    Ok(Contender { name: NAME, address, process, place: setup.place, kind })
}
