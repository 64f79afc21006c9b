//! The wiring of a proxy: flags and file become a table, the table a server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;
use prism_runtime::args::{HttpListen, ServerArgs};
use prism_runtime::exit::ServerError;
use prism_runtime::health::Health;
use prism_runtime::server::Signals;
use prism_runtime::service::{ServiceHandler, Services};
use prism_runtime::{Running, Server, telemetry};

use crate::config::{self, Config, ConfigError};
use crate::forward::{Forwarder, Shared};
use crate::route::{EmbeddedPlugins, RouteTable};

/// The binary's name.
pub const NAME: &str = "prism-proxy";

const LISTEN_DEFAULT: &str = "127.0.0.1:8980";
const HTTP_LISTEN_DEFAULT: &str = "127.0.0.1:8981";

/// What the shared flags mean here when neither they nor the file say anything.
pub const DEFAULTS: [(&str, &str); 2] = [("listen", LISTEN_DEFAULT), ("http-listen", HTTP_LISTEN_DEFAULT)];

/// Forwards each call to the backend of its namespace.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Args {
    /// The configuration file [default: prism.yaml, if it is there; else namespace "default" is served from
    /// localhost:50051].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the about of the command")]
    pub server: ServerArgs,
}

/// Runs a proxy until the process is told to stop. `background` is the work of the embedded plugins; it runs beside the
/// proxy and is dropped with it.
///
/// # Errors
/// The configuration is wrong, or an address cannot be bound.
pub async fn run(
    args: Args,
    embedded: EmbeddedPlugins,
    background: impl Future<Output = ()>,
) -> Result<(), ServerError> {
    telemetry::init(&args.server.log, args.server.log_format)?;
    let signals = Signals::take()?;
    let config = load(args.config.as_deref()).map_err(|error| ServerError::Config(error.to_string()))?;
    let running = start(&args.server, &config, &embedded).await?;
    running.print_ready_line();
    running.run_until(signals, background).await
}

/// Reads the named file, which must be there, or the default one, which need not.
fn load(named: Option<&Path>) -> Result<Config, ConfigError> {
    let path = named.unwrap_or(Path::new(config::DEFAULT_PATH));
    if named.is_none() && !path.exists() {
        tracing::info!(
            file = config::DEFAULT_PATH,
            "there is no configuration file; serving namespace default from localhost:50051"
        );
        return Ok(Config::without_file());
    }
    Config::load(path)
}

/// Starts a proxy with a configuration; returns when it takes calls.
///
/// # Errors
/// The configuration names a plugin that is not embedded, or an address cannot be bound.
pub async fn start(
    args: &ServerArgs,
    config: &Config,
    embedded: &EmbeddedPlugins,
) -> Result<Running, ServerError> {
    let table = RouteTable::build(config, embedded).map_err(|mistakes| {
        let lines: Vec<_> =
            mistakes.iter().map(|mistake| format!("{}: {}", mistake.field, mistake.why)).collect();
        ServerError::Config(lines.join("\n"))
    })?;
    tracing::info!(namespaces = table.len(), revision = table.revision(), "loaded the configuration");

    let health = Health::new(&[]).await;
    let default = |text: &str| text.parse().map_err(ServerError::failed);
    let listen = config.listen.clone().map_or_else(|| default(LISTEN_DEFAULT), Ok)?;
    let http_listen = config.http_listen.clone().map_or_else(|| default(HTTP_LISTEN_DEFAULT), Ok)?;
    let server = Server::new(NAME, args, listen, HttpListen::At(http_listen), health.clone());

    let services =
        Services::default().add(health.service(), tonic_health::pb::FILE_DESCRIPTOR_SET).with_reflection();
    let own = ServiceHandler::new(services, server.drain.clone());
    let shared = Shared::new(table);
    server.start(move || Forwarder::new(Arc::clone(&shared), own.clone())).await
}
