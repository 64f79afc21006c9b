//! The store as a plugin on its own port.

use std::sync::Arc;

use prism_plugin::app::{self, App};
use prism_plugin::driver::Mistake;
use prism_plugin::{KeyValue as _, Plugin};
use prism_runtime::exit::ServerError;
use prism_runtime::health::Health;
use prometheus_client::registry::Registry;

use crate::config::{Args, LISTEN_DEFAULT};
use crate::metrics::StoreCollector;
use crate::state::State;
use crate::store::{RedisStore, open};

/// The binary's name.
pub const NAME: &str = "prism-redis";

/// The defaults of the shared flags.
pub const DEFAULTS: [(&str, &str); 2] = [("listen", LISTEN_DEFAULT), ("http-listen", "off")];

/// Runs the plugin until a signal stops the process. While the servers do not serve, its health is NOT_SERVING.
///
/// # Errors
/// The settings are wrong, an address cannot be bound, or the log filter is invalid.
pub async fn run(args: Args) -> Result<(), ServerError> {
    let store = open(args.settings().map_err(|mistakes| ServerError::Config(told(&mistakes)))?);
    let app = App {
        name: NAME,
        args: &args.server,
        callers: &args.callers,
        listen: LISTEN_DEFAULT,
        plugin: plugin(store.clone()),
        registry: registry(&store),
    };
    app::run_with_health(app, |health| keep_health(store, health)).await
}

/// The services of a store.
#[must_use]
pub fn plugin(store: RedisStore) -> Plugin {
    let store = Arc::new(store);
    let handle = || Arc::clone(&store);
    let asked = handle();
    // What the server can lose is known once it was asked, and may change.
    Plugin::promising(move || asked.capabilities())
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

/// The metrics of a store.
#[must_use]
pub fn registry(store: &RedisStore) -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(StoreCollector(store.clone())));
    registry
}

/// Reports whether the servers serve, for as long as it is polled.
pub async fn keep_health(store: RedisStore, health: Health) {
    store.watch(|state| health.set_available(state == State::Ready)).await;
}

/// The mistakes, one a line.
fn told(mistakes: &[Mistake]) -> String {
    let lines: Vec<_> =
        mistakes.iter().map(|mistake| format!("{}: {}", mistake.field, mistake.why)).collect();
    lines.join("\n")
}
