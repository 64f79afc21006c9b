//! The parts of the benchmark.

pub(crate) mod before;
pub(crate) mod diskstore;
pub(crate) mod growth;
pub(crate) mod memstore;
pub(crate) mod proxy;
pub(crate) mod python;
pub(crate) mod redis;
pub(crate) mod tls;
pub(crate) mod verbs;

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
    /// Its calls that change a key by a rule, batches and queues.
    Verbs,
    /// The store on disk compared with Redis and etcd.
    Diskstore,
    /// Redis behind the gateway, compared with Redis alone and behind Envoy.
    Redis,
    /// The Python client compared with grpcio and redis-py.
    Python,
    /// The cost of a request as namespaces, connections and workers grow.
    Growth,
    /// This version compared with another one.
    Before,
}

impl Part {
    /// All parts, in the order of the page.
    pub(crate) const ALL: [Self; 9] = [
        Self::Proxy,
        Self::Tls,
        Self::Memstore,
        Self::Verbs,
        Self::Diskstore,
        Self::Redis,
        Self::Python,
        Self::Growth,
        Self::Before,
    ];

    /// The name of its file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::Memstore => "memstore",
            Self::Verbs => "verbs",
            Self::Diskstore => "diskstore",
            Self::Redis => "redis",
            Self::Python => "python",
            Self::Growth => "growth",
            Self::Before => "before",
        }
    }
}
