//! The configuration of a proxy, checked.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use prism_net::address::Address;
use prism_net::tls::client::ClientOptions;
use prism_net::tls::server::ServerFiles;
use prism_proto::limits;
use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use prism_plugin::driver::Options;

/// 30 s: longer than any client should wait, but short enough that a hung backend does not hold calls forever.
pub(super) const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// The configuration of a proxy, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to serve gRPC; `None` for the default.
    pub listen: Option<Address>,
    /// Where to serve HTTP; `None` for the default.
    pub http_listen: Option<Address>,
    /// The files of TLS, for both ports; `None` for plaintext.
    pub tls: Option<ServerFiles>,
    /// The named backends, with unique names.
    pub backends: Vec<Backend>,
    /// The namespaces, with unique names.
    pub namespaces: Vec<Namespace>,
    /// SHA-256 of the file's bytes, in hex; `None` without a file.
    pub revision: Option<String>,
}

/// One namespace, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// What the plugin must offer at least.
    pub pattern: Pattern,
    /// What serves it.
    pub plugin: Plugin,
    /// The interfaces served, by full name; `None` for all that the plugin has.
    pub interfaces: Option<Vec<String>>,
    /// How long a unary call without a deadline may take.
    pub timeout: Duration,
    /// The largest message that a client may send.
    pub message_bytes_max: usize,
    /// The maximum number of calls in flight; `None` for no limit besides the process's.
    pub in_flight_max: Option<NonZeroU32>,
    /// The maximum number of calls that may start per second; `None` for no limit.
    pub requests_per_second: Option<NonZeroU32>,
    /// Whether only calls without side effects are served.
    pub read_only: bool,
}

/// What serves a namespace, according to its settings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Plugin {
    /// The backend of this name.
    Backend(String),
    /// A backend of its own, shared by all namespaces with the same endpoint.
    Endpoint(Endpoint),
}

impl fmt::Display for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backend(name) => f.write_str(name),
            Self::Endpoint(endpoint) => write!(f, "{endpoint}"),
        }
    }
}

/// A named backend, checked except for the options, which only its driver knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Backend {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub place: Place,
}

/// Where a backend is.
#[derive(Clone, PartialEq)]
pub enum Place {
    /// In the proxy's own process.
    Embedded {
        /// The name of the driver that opens it.
        driver: String,
        /// The driver's options.
        options: Options,
    },
    /// Behind a connection.
    Remote {
        /// The plugin's address.
        endpoint: Endpoint,
        /// How to connect with TLS; `None` for plaintext.
        tls: Option<ClientOptions>,
    },
}

impl fmt::Debug for Place {
    /// Options may contain what a log should not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded { driver, .. } => write!(f, "embedded:{driver}"),
            Self::Remote { endpoint, .. } => write!(f, "{endpoint}"),
        }
    }
}

/// A data pattern, which stands for certain interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pattern {
    /// Values by key.
    KeyValue,
    /// Ordered lists.
    List,
}

impl Pattern {
    /// The full name of the interface that a plugin must have to offer this pattern.
    #[must_use]
    pub fn interface(self) -> &'static str {
        match self {
            Self::KeyValue => "prism.interfaces.keyvalue.KeyValueBasicInterface",
            Self::List => "prism.interfaces.list.ListBasicInterface",
        }
    }
}

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// Where, such as `namespaces[0].name`; empty for the whole file.
    pub field: String,
    /// What is wrong and what was expected.
    pub why: String,
    /// The line, from 1, if the parser reports it.
    pub line: Option<usize>,
}

impl Config {
    /// What a proxy serves without a file: namespace `default` from `localhost:50051`.
    #[must_use]
    pub fn without_file() -> Self {
        let authority = http::uri::Authority::from_static("localhost:50051");
        Self::single(Endpoint::Tcp(authority))
    }

    /// Namespace `default` and nothing else.
    #[must_use]
    pub fn single(endpoint: Endpoint) -> Self {
        let namespace = Namespace {
            name: limits::NAMESPACE_DEFAULT.to_owned(),
            pattern: Pattern::KeyValue,
            plugin: Plugin::Endpoint(endpoint),
            interfaces: None,
            timeout: TIMEOUT_DEFAULT,
            message_bytes_max: limits::MESSAGE_BYTES_MAX,
            in_flight_max: None,
            requests_per_second: None,
            read_only: false,
        };
        Self {
            listen: None,
            http_listen: None,
            tls: None,
            backends: Vec::new(),
            namespaces: vec![namespace],
            revision: None,
        }
    }
}
