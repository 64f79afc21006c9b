//! How to connect to a server: credentials, TLS, the client's name. Files are read again for a connection when they have
//! changed, so that a change takes effect without a restart.

use std::fs;
use std::io;
use std::time::Duration;

use prism_net::dial::{dial, dial_tls};
use prism_net::stream::Stream;
use redis::{ProtocolVersion, RedisConnectionInfo};

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
///
/// # Errors
/// The password's file cannot be read.
pub(crate) fn credentials(settings: &Settings, expected: Expected) -> Result<RedisConnectionInfo, String> {
    let mut info = anonymous();
    if expected != Expected::Sentinel {
        info = info.set_db(settings.database);
    }
    if let Some(file) = &settings.password_file {
        let password = fs::read_to_string(file)
            .map_err(|error| format!("cannot read password_file {}: {error}", file.display()))?;
        info = info.set_password(password.trim_end_matches(['\r', '\n']));
        info = info.set_username(settings.username.as_deref().unwrap_or("default"));
    }
    Ok(info)
}

/// The same without credentials: sentinels often have none although the servers do.
pub(crate) fn anonymous() -> RedisConnectionInfo {
    RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP3)
        .set_lib_name(CLIENT_NAME, env!("CARGO_PKG_VERSION"))
}
