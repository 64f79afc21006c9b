//! The store as a plugin on its own port.

use std::sync::Arc;

use prism_plugin::app::{self, App};
use prism_plugin::{KeyValue as _, Plugin};
use prism_runtime::exit::ServerError;
use prism_runtime::health::Health;
use prometheus_client::registry::Registry;

use crate::config::{Args, LISTEN_DEFAULT};
use crate::metrics::StoreCollector;
use crate::state::State;
use crate::store::DiskStore;

/// The binary's name.
pub const NAME: &str = "prism-diskstore";

/// The defaults of the shared flags.
pub const DEFAULTS: [(&str, &str); 2] = [("listen", LISTEN_DEFAULT), ("http-listen", "off")];

/// Runs the plugin until a signal stops the process. While the store accepts no writes, its health is NOT_SERVING.
///
/// # Errors
/// The store cannot be opened, an address cannot be bound, or the log filter is invalid.
pub async fn run(args: Args) -> Result<(), ServerError> {
    let store =
        DiskStore::open(&args.settings().map_err(ServerError::Config)?).map_err(ServerError::Config)?;
    let mut registry = Registry::default();
    registry.register_collector(Box::new(StoreCollector(store.clone())));
    let plugin = plugin(store.clone());
    let (args, callers) = (&args.server, &args.callers);
    let app = App { name: NAME, args, callers, listen: LISTEN_DEFAULT, plugin, registry };
    let served = app::run_with_health(app, |health| keep_health(store.clone(), health)).await;
    // The workers' handles go with their threads, for which a process that ends does not wait.
    store.close();
    served
}

pub(crate) fn plugin(store: DiskStore) -> Plugin {
    let store = Arc::new(store);
    let handle = || Arc::clone(&store);
    let asked = handle();
    // The durability can change while it is open.
    Plugin::promising(move || asked.capabilities())
        .idempotent_retries(handle())
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
}

/// Reports whether the store accepts writes, for as long as it is polled.
async fn keep_health(store: DiskStore, health: Health) {
    let mut state = store.watch();
    loop {
        let is_ready = *state.borrow_and_update() == State::Ready;
        health.set_available(is_ready).await;
        if state.changed().await.is_err() {
            return;
        }
    }
}
