//! nginx with `grpc_pass`.

use super::{Contender, Setup, WorkerKind};
use crate::process::{Process, Ready, free_address};

/// Its name in results.
pub(crate) const NAME: &str = "nginx";

/// nginx in front of a backend. It sends one request at a time on an upstream connection, so it may keep as many as
/// there are calls in flight, and connections on neither side end after a number of requests.
pub(crate) fn start(setup: Setup<'_>, backend: &str) -> anyhow::Result<Contender> {
    let address = free_address()?;
    let folder = setup.folder.join(format!("nginx-{}", setup.workers));
    std::fs::create_dir_all(&folder)?;
    let temporary: Vec<_> = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {}/{kind};", folder.display()))
        .into();
    let config = format!(
        "daemon off; worker_processes {workers}; pid {folder}/nginx.pid; error_log stderr error;\n\
         events {{ worker_connections 2048; }}\n\
         http {{\n  access_log off; {temporary}\n  keepalive_requests 1000000000;\n  \
         http2_max_concurrent_streams 1000; client_body_buffer_size 128k;\n  \
         upstream memstore {{ server {backend}; keepalive 256; keepalive_requests 1000000000; }}\n  \
         server {{ listen {address} http2; tcp_nodelay on;\n    \
         location / {{ grpc_pass grpc://memstore; grpc_buffer_size 128k; }}\n  }}\n}}\n",
        workers = setup.workers,
        folder = folder.display(),
        temporary = temporary.join(" "),
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, config)?;
    let mut command = setup.place.command(NAME);
    command.arg("-p").arg(&folder).args(["-e", "stderr", "-c"]).arg(file);
    let mut process = Process::start(NAME, command, &Ready::Accepts(address.clone()), setup.folder)?;
    process.find_children(setup.workers)?;
    let kind = WorkerKind::Processes;
    Ok(Contender { name: NAME, address, process, place: setup.place, kind, secure: None })
}
