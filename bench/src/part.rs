//! The parts of the benchmark.

pub(crate) mod growth;
pub(crate) mod memstore;
pub(crate) mod proxy;
pub(crate) mod python;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A part. Its results are in a file with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Part {
    /// The gateway compared with HAProxy, nginx, a typed forward, and no gateway.
    Proxy,
    /// The store compared with Redis.
    Memstore,
    /// The Python client compared with grpcio and redis-py.
    Python,
    /// The cost of a request as namespaces, connections and workers grow.
    Growth,
}

impl Part {
    /// All parts, in the order of the page.
    pub(crate) const ALL: [Self; 4] = [Self::Proxy, Self::Memstore, Self::Python, Self::Growth];

    /// The name of its file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Memstore => "memstore",
            Self::Python => "python",
            Self::Growth => "growth",
        }
    }
}
