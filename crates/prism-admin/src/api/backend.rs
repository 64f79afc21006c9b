//! A backend in the API: its description.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A backend with a name: a driver of the proxies with its options, or the endpoint of a plugin.
//
// This describes the API; the proxy's own rules and those of its drivers parse what is sent and stored.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackendSettings {
    /// 1 to 64 of `a-z 0-9 -`, starting with a letter.
    #[schema(pattern = "^[a-z][a-z0-9-]{0,63}$", example = "fast")]
    name: String,
    /// The driver that opens it in each proxy's own process. A backend has either this or `endpoint`.
    #[schema(example = "memstore")]
    embedded: Option<String>,
    /// How the driver opens it; default: the driver's defaults.
    #[schema(value_type = Option<Object>)]
    options: Option<Map<String, Value>>,
    /// `HOST:PORT`, `http://HOST:PORT` or `unix:PATH` of a plugin.
    endpoint: Option<String>,
    /// TLS to the endpoint; default: none. `{}` trusts the CAs of the proxies' systems.
    tls: Option<BackendTls>,
}

/// TLS to a plugin.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackendTls {
    /// PEM file of the CAs that sign the plugin's certificate; default: the system's.
    #[schema(example = "/etc/prism/tls/ca.crt")]
    ca_file: Option<String>,
    /// PEM file of the proxy's own certificate, for a plugin that asks for one. Goes with `key_file`.
    certificate_file: Option<String>,
    /// PEM file of its private key.
    key_file: Option<String>,
    /// The name that the plugin's certificate must have; default: the endpoint's host, `localhost` for a Unix socket.
    server_name: Option<String>,
}

/// The settings that a backend may lack.
pub(super) const OPTIONAL: [&str; 4] = ["embedded", "options", "endpoint", "tls"];
