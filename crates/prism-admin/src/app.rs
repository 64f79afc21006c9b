//! The wiring of an admin: from flags to a store and routes, from the routes to a server.

use std::io::{self, Write as _};

use axum::Router;
use prism_plugin::driver::Drivers;
use prism_runtime::exit::ServerError;
use prism_runtime::http::{HttpPort, HttpServer};
use prism_runtime::signals::Signals;
use prism_runtime::telemetry;
use prometheus_client::registry::Registry;

use crate::api::openapi;
use crate::auth;
use crate::config::{Args, Command, Settings};
use crate::console;
use crate::edge::{self, Edge};
use crate::file::store::Store;
use crate::state::Admin;

/// The binary's name.
pub const NAME: &str = "prism-admin";

/// Runs an admin until a signal stops the process, or creates a token. `drivers` check and probe backends; they should be
/// those of the proxies.
///
/// # Errors
/// The configuration is invalid, the address cannot be bound, or the token cannot be stored.
pub async fn run(args: Args, drivers: Drivers) -> Result<(), ServerError> {
    if let Some(Command::Token(token)) = args.command {
        let made = auth::issue(&token.token_file, &token.name, token.role);
        let made = made.map_err(|error| {
            ServerError::failed(format!("cannot store the token in {}: {error}", token.token_file.display()))
        })?;
        writeln!(io::stdout(), "{made}").map_err(|error| {
            ServerError::failed(format!(
                "cannot print the token: {error}; its hash is in {}: remove that entry and create another",
                token.token_file.display()
            ))
        })?;
        eprintln!("This is the only time it is shown; its hash is in {}.", token.token_file.display());
        return Ok(());
    }
    telemetry::init(&args.serve.log, args.serve.log_format)?;
    let signals = Signals::take()?;
    let server = start(args.serve.settings()?, drivers).await?;
    server.print_ready_line();
    server.run_until(signals).await
}

/// Starts an admin with these drivers and returns once it accepts requests.
///
/// # Errors
/// The address cannot be bound, or other machines can reach it unprotected although that is forbidden.
pub async fn start(settings: Settings, drivers: Drivers) -> Result<HttpServer, ServerError> {
    let admin = Admin::new(&settings, drivers)?;
    // A folder that is not writable can still be read.
    if let Err(problem) = admin.blocking(Store::open).await {
        tracing::warn!(why = problem.detail, "the current file cannot be stored as a revision");
    }
    let mut registry = Registry::default();
    let edge = Edge::new(&settings, admin.sessions.clone(), &mut registry);
    let watched = (admin.traffic.clone(), admin.proxies.clone(), admin.stopping.clone());
    let (stopping, open) = (admin.stopping.clone(), admin.open.clone());
    let routes =
        |common: Router| edge::around(openapi::routes(admin).merge(console::routes()).merge(common), edge);
    let port = HttpPort {
        listen: settings.listen,
        tls: settings.tls,
        knows_senders: settings.tokens.is_some(),
        open,
        require_secure: settings.require_secure,
    };
    let server = HttpServer::start(NAME, port, settings.drain_timeout, stopping, registry, routes).await?;
    let (traffic, proxies, stopping) = watched;
    tokio::spawn(stopping.clone().run_until_cancelled_owned(proxies.clone().keep_fresh()));
    tokio::spawn(traffic.watch(proxies, stopping));
    Ok(server)
}
