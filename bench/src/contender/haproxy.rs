//! HAProxy, HTTP/2 to HTTP/2, in plain text behind it.

use std::path::Path;

use super::{Contender, Setup, WorkerKind};
use crate::process::{Process, Ready, free_address};

/// Its name in results, with default buffers and windows.
pub(crate) const NAME: &str = "haproxy";
/// Its name with TLS.
pub(crate) const TLS: &str = "haproxy-tls";
/// Its name with larger ones.
pub(crate) const LARGE_BUFFERS: &str = "haproxy-128k";

/// HAProxy in front of a backend.
pub(crate) fn start(setup: Setup<'_>, backend: &str) -> anyhow::Result<Contender> {
    start_tuned(NAME, "", "", setup, backend)
}

/// HAProxy with TLS towards clients, and a file with a certificate and its key. Its cipher suites are those of the
/// client.
pub(crate) fn start_with_tls(setup: Setup<'_>, backend: &str, pem: &Path) -> anyhow::Result<Contender> {
    let tls = format!("ssl crt {} alpn h2", pem.display());
    start_tuned(TLS, "", &tls, setup, backend)
}

/// HAProxy for large values: at 64 KiB it forwards more than twice as many as with its buffers of 16 KiB.
pub(crate) fn start_with_large_buffers(setup: Setup<'_>, backend: &str) -> anyhow::Result<Contender> {
    let tuning = "    tune.bufsize 131072\n    tune.h2.initial-window-size 1048576\n";
    start_tuned(LARGE_BUFFERS, tuning, "", setup, backend)
}

fn start_tuned(
    name: &'static str,
    tuning: &str,
    tls: &str,
    setup: Setup<'_>,
    backend: &str,
) -> anyhow::Result<Contender> {
    let address = free_address()?;
    let config = format!(
        "global\n    nbthread {workers}\n    maxconn 4000\n    log stderr format raw local0\n{tuning}\
         defaults\n    mode http\n    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n    \
         http-reuse always\n\
         frontend front\n    bind {address} {front}\n    default_backend back\n\
         backend back\n    server memstore {backend} proto h2\n",
        workers = setup.workers,
        front = if tls.is_empty() { "proto h2" } else { tls },
    );
    let file = setup.folder.join(format!("{name}-{}.cfg", setup.workers));
    std::fs::write(&file, config)?;
    let mut command = setup.place.command("haproxy");
    command.args(["-db", "-f"]).arg(file);
    let process = Process::start(name, command, &Ready::Accepts(address.clone()), setup.folder)?;
    // All of its threads serve.
    let kind = WorkerKind::Threads("");
    Ok(Contender { name, address, process, place: setup.place, kind, secure: None })
}
