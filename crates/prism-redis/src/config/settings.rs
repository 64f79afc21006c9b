//! Checked settings.

use std::path::PathBuf;
use std::time::Duration;

use prism_net::tls::client::Connector;

use crate::address::NodeAddress;

/// Settings that have been checked: see [`Options::check`](super::Options::check). They hold no password, only the path
/// of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub(crate) servers: Vec<NodeAddress>,
    /// How to connect with TLS; `None` for plaintext.
    pub(crate) tls: Option<Connector>,
    pub(crate) database: i64,
    pub(crate) mode: Mode,
    pub(crate) username: Option<String>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) key_prefix: String,
    pub(crate) layout: Layout,
    pub(crate) durability: Option<Durability>,
    pub(crate) connections: usize,
    /// How many lists may be waited for at once, each on a connection of its own.
    pub(crate) max_waiters: usize,
}

/// How the servers work together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One primary.
    Standalone,
    /// Sentinels name the primary; this is the name under which they know it.
    Sentinel(String),
    /// A cluster, in which each primary owns some of the slots.
    Cluster,
}

/// What the Redis keys look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// `kv:NAMESPACE:KEY` and `li:NAMESPACE:KEY` behind the prefix.
    #[default]
    Prism,
    /// The key itself behind the prefix, so that data which other applications wrote is served as it is. For exactly one
    /// namespace; its keys and its lists share their names.
    Raw,
}

/// How many replicas must have a write before it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durability {
    /// The number of replicas, at least 1.
    pub replicas: u32,
    /// How long a write waits for them.
    pub timeout: Duration,
}

impl Settings {
    /// The addresses of the servers.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.servers.iter().map(ToString::to_string).collect()
    }

    /// The same, for people.
    pub(crate) fn servers(&self) -> String {
        self.addresses().join(", ")
    }

    /// What tells the data apart from that of other stores: where it is, and what its keys look like.
    pub(crate) fn identity(&self) -> String {
        let mut addresses = self.addresses();
        addresses.sort();
        let Self { database, mode, key_prefix, layout, .. } = self;
        format!("redis {addresses:?} {database} {mode:?} {key_prefix:?} {layout:?}")
    }
}
