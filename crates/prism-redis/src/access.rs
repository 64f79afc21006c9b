//! How to connect to a server: credentials, TLS, the client's name. Files are read again for a connection when they have
//! changed, so that a change takes effect without a restart.

use std::fs;
use std::io;
use std::time::Duration;

use prism_net::dial::{dial, dial_tls};
use prism_net::stream::Stream;

use crate::address::NodeAddress;
use crate::config::Settings;
use crate::greeting::Expected;

/// The name of connections and of the library that `CLIENT LIST` shows.
pub(crate) const CLIENT_NAME: &str = "prism-redis";

/// Connects to a server within `limit`.
///
/// # Errors
/// Why not, in words.
pub(crate) async fn connect(
    settings: &Settings,
    node: &NodeAddress,
    limit: Duration,
) -> Result<Stream, String> {
    let failed = |error: io::Error| format!("cannot connect to {node}: {error}");
    match &settings.tls {
        None => dial(&node.dialled(), limit).await.map_err(failed),
        Some(connector) => dial_tls(&node.dialled(), connector, limit).await.map_err(failed),
    }
}

/// What a connection introduces itself with.
#[derive(Default)]
pub(crate) struct Credentials {
    /// A user and its password.
    pub(crate) login: Option<(String, String)>,
    pub(crate) database: i64,
}

/// The configured ones. Sentinels have no databases.
///
/// # Errors
/// The password's file cannot be read.
pub(crate) fn credentials(settings: &Settings, expected: Expected) -> Result<Credentials, String> {
    let login = settings.password_file.as_ref().map(|file| {
        let password = fs::read_to_string(file)
            .map_err(|error| format!("cannot read password_file {}: {error}", file.display()))?;
        let username = settings.username.as_deref().unwrap_or("default");
        Ok::<_, String>((username.to_owned(), password.trim_end_matches(['\r', '\n']).to_owned()))
    });
    let database = if expected == Expected::Sentinel { 0 } else { settings.database };
    Ok(Credentials { login: login.transpose()?, database })
}
