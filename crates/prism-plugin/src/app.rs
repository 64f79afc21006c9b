//! A plugin's process: health and reflection besides its services, and the server's lifecycle.

use std::future::Future;
use std::sync::Arc;

use prism_auth::fresh::keep_fresh;
use prism_grpc::authenticate::Authenticate;
use prism_grpc::handler::ServiceHandler;
use prism_net::address::Address;
use prism_runtime::args::{HttpListen, ServerArgs};
use prism_runtime::exit::ServerError;
use prism_runtime::health::Health;
use prism_runtime::reflection::Fixed;
use prism_runtime::signals::Signals;
use prism_runtime::{Running, Server, reflection, telemetry};
use prometheus_client::registry::Registry;

pub use crate::callers::CallerArgs;
use crate::callers::CredentialsCollector;
use crate::plugin::Plugin;

/// What is specific to one plugin's process.
pub struct App<'a> {
    /// The binary's name.
    pub name: &'static str,
    /// The flags that all servers share.
    pub args: &'a ServerArgs,
    /// Who may call.
    pub callers: &'a CallerArgs,
    /// Where to listen by default.
    pub listen: &'static str,
    /// The services.
    pub plugin: Plugin,
    /// The plugin's own metrics.
    pub registry: Registry,
}

/// Serves a plugin until a signal stops the process. `background` runs alongside on the main thread and is dropped when
/// the server has drained.
///
/// # Errors
/// An address cannot be bound, no caller could be known although that is required, or the log filter is invalid.
pub async fn run(app: App<'_>, background: impl Future<Output = ()>) -> Result<(), ServerError> {
    run_reporting(app, true, |_| background).await
}

/// The same, for a plugin that depends on something which may be unavailable: its health is NOT_SERVING until `background`
/// says otherwise to the health that it is given.
///
/// # Errors
/// An address cannot be bound, no caller could be known although that is required, or the log filter is invalid.
pub async fn run_with_health<F: Future<Output = ()>>(
    app: App<'_>,
    background: impl FnOnce(Health) -> F,
) -> Result<(), ServerError> {
    run_reporting(app, false, background).await
}

async fn run_reporting<F: Future<Output = ()>>(
    app: App<'_>,
    available: bool,
    background: impl FnOnce(Health) -> F,
) -> Result<(), ServerError> {
    telemetry::init(&app.args.log, app.args.log_format)?;
    let signals = Signals::take()?;
    let running = start_reporting(app, available).await?;
    running.print_ready_line();
    let background = background(running.health().clone());
    running.run_until(signals, background).await
}

/// Starts to serve a plugin and returns once it accepts calls; a process that serves nothing else can use [`run`].
///
/// # Errors
/// An address cannot be bound.
pub async fn start(app: App<'_>) -> Result<Running, ServerError> {
    start_reporting(app, true).await
}

async fn start_reporting(app: App<'_>, available: bool) -> Result<Running, ServerError> {
    let services = app.plugin.into_services();
    let health = Health::new(&services.names()).await;
    health.set_available(available).await;
    let listen: Address = app.listen.parse().map_err(ServerError::failed)?;
    let mut server = Server::new(app.name, app.args, listen, HttpListen::Off, health.clone())?;
    server.registry = app.registry;
    let services = services.add(health.service(), tonic_health::pb::FILE_DESCRIPTOR_SET);
    let described = Arc::new(Fixed::of(&services));
    let services = reflection::add_to(services, described);
    let trusts_certificates = server.tls.as_ref().is_some_and(|tls| tls.files().client_ca_file.is_some());
    let known = app.callers.open(trusts_certificates)?;
    server.protection.knows_callers = known.is_some();
    server.registry.register_collector(Box::new(CredentialsCollector(known.clone())));
    if let Some(known) = &known {
        let (known, drain) = (Arc::clone(known), server.drain.clone());
        tokio::spawn(drain.run_until_cancelled_owned(keep_fresh(move || known.refresh())));
    }
    let authenticate = known.map(|known| -> Arc<dyn Authenticate> { known });
    let handler = ServiceHandler::identifying(services, server.drain.clone(), authenticate);
    server.start(move || handler.clone()).await
}
