//! The store as a plugin on its own port.

use std::sync::Arc;

use prism_plugin::app::{self, App};
use prism_plugin::{KeyValue as _, Plugin};
use prism_runtime::exit::ServerError;
use prometheus_client::registry::Registry;

use crate::config::{Args, LISTEN_DEFAULT};
use crate::metrics::UsageCollector;
use crate::store::MemStore;

/// The binary's name.
pub const NAME: &str = "prism-memstore";

/// The defaults of the shared flags.
pub const DEFAULTS: [(&str, &str); 2] = [("listen", LISTEN_DEFAULT), ("http-listen", "off")];

/// Runs the plugin until a signal stops the process.
///
/// # Errors
/// An address cannot be bound, or the log filter is invalid.
pub async fn run(args: Args) -> Result<(), ServerError> {
    let store = MemStore::new(args.memory_limit.0);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(UsageCollector(store.clone())));
    let expiry = store.expiry().run(std::future::pending::<()>());
    let plugin = plugin(store);
    let (args, callers) = (&args.server, &args.callers);
    app::run(App { name: NAME, args, callers, listen: LISTEN_DEFAULT, plugin, registry }, expiry).await
}

pub(crate) fn plugin(store: MemStore) -> Plugin {
    let store = Arc::new(store);
    let handle = || Arc::clone(&store);
    Plugin::new(store.capabilities())
        .usage(handle())
        .keyvalue(handle())
        .keyvalue_ttl(handle())
        .keyvalue_batch(handle())
        .keyvalue_cas(handle())
        .keyvalue_counter(handle())
        .list(handle())
        .list_range(handle())
        .list_indexing(handle())
        .list_batch(handle())
        .list_blocking(handle())
        .list_reserve(handle())
        .list_scan(handle())
        .transfer(handle())
        .idempotent_retries(handle())
}
