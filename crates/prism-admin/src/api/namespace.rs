//! A namespace in the API: its description.

use serde::Serialize;
use utoipa::ToSchema;

/// A namespace: its name, its backend and its limits. Settings that are omitted have their defaults.
//
// This describes the API; the proxy's own rules parse what is sent and stored.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Namespace {
    /// 1 to 64 of `a-z 0-9 -`, starting with a letter.
    #[schema(pattern = "^[a-z][a-z0-9-]{0,63}$", example = "orders")]
    name: String,
    /// Interface that the backend must at least offer.
    pattern: Pattern,
    plugin: Plugin,
    /// The only interfaces served, by full name, including that of the pattern; default: all that the backend has.
    interfaces: Option<Vec<String>>,
    /// Timeout of unary calls that carry no deadline: 1ms to 1h; default 30s.
    #[schema(example = "30s")]
    timeout: Option<String>,
    /// Maximum size of a message from a client, in bytes; default 4194304.
    #[schema(minimum = 1024, maximum = 4194304)]
    max_message_bytes: Option<u64>,
    /// Maximum calls in flight at each proxy; default: no limit.
    #[schema(minimum = 1, maximum = 4294967295u32)]
    max_in_flight: Option<u64>,
    /// Maximum calls that may start per second at each proxy, with bursts of a second's worth; default: no limit.
    #[schema(minimum = 1, maximum = 4294967295u32)]
    requests_per_second: Option<u64>,
    /// Serve only methods without side effects; default false.
    read_only: Option<bool>,
    /// Who may call, and what; default: everybody who may connect.
    #[schema(min_items = 1)]
    access: Option<Vec<Access>>,
}

/// What one caller may do in a namespace.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// `token:NAME`, `cert:NAME` or `jwt:NAME`; a bare name if the proxies have one source of names.
    #[schema(example = "token:orders-service")]
    name: String,
    /// `read`: the methods without side effects; `write`: the others.
    #[schema(min_items = 1)]
    rights: Vec<Right>,
}

/// A right.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// To call methods without side effects.
    Read,
    /// To call the others.
    Write,
}

/// The optional settings.
pub(super) const OPTIONAL: [&str; 7] = [
    "interfaces",
    "timeout",
    "max_message_bytes",
    "max_in_flight",
    "requests_per_second",
    "read_only",
    "access",
];

/// A data pattern.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pattern {
    /// Values by key.
    KeyValue,
    /// Ordered lists.
    List,
}

/// What serves a namespace: the plugin behind an endpoint, or a backend of the list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Plugin {
    /// An endpoint.
    Endpoint(AtEndpoint),
    /// A backend.
    Backend(OnBackend),
}

/// A plugin behind an endpoint of its own.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AtEndpoint {
    /// `HOST:PORT`, `http://HOST:PORT`, `unix:PATH` or `embedded:NAME`.
    #[schema(example = "localhost:50051")]
    endpoint: String,
}

/// A backend with a name.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OnBackend {
    /// The name of a backend, which must be there.
    #[schema(example = "fast")]
    backend: String,
}
