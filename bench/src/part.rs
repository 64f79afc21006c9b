//! The parts of the benchmark.

pub(crate) mod growth;
pub(crate) mod memstore;
pub(crate) mod proxy;
pub(crate) mod python;
pub(crate) mod redis;
pub(crate) mod tls;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A part. Its results are in a file with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Part {
    /// The gateway compared with HAProxy, nginx, a typed forward, and no gateway.
    Proxy,
    /// The gateway with TLS and tokens, compared with HAProxy.
    Tls,
    /// The store compared with Redis.
    Memstore,
    /// Redis behind the gateway, compared with Redis alone and behind Envoy.
    Redis,
    /// The Python client compared with grpcio and redis-py.
    Python,
    /// The cost of a request as namespaces, connections and workers grow.
    Growth,
}

impl Part {
    /// All parts, in the order of the page.
    pub(crate) const ALL: [Self; 6] =
        [Self::Proxy, Self::Tls, Self::Memstore, Self::Redis, Self::Python, Self::Growth];

    /// The name of its file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::Memstore => "memstore",
            Self::Redis => "redis",
            Self::Python => "python",
            Self::Growth => "growth",
        }
    }
}
