//! The plugin in this process, on a port of its own.

use clap::Parser as _;
use prism_plugin::app::{self, App, CallerArgs};
use prism_plugin::conformance::{self, Options, Report};
use prism_redis::RedisStore;
use prism_redis::app::{keep_health, plugin, registry};
use prism_runtime::Running;
use prism_runtime::args::ServerArgs;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::store::store;
use super::until;

#[derive(clap::Parser)]
struct Flags {
    #[command(flatten)]
    server: ServerArgs,
}

/// A running plugin.
pub(crate) struct Plugin {
    pub(crate) running: Running,
    pub(crate) store: RedisStore,
    watching: JoinHandle<()>,
}

impl Plugin {
    /// Starts a plugin with two workers and returns once it is SERVING.
    pub(crate) async fn start(options: Value) -> Self {
        let plugin = Self::start_unready(options).await;
        until("the plugin serves", async || {
            plugin.store.check().await.ok().filter(|()| plugin.running.health().is_serving())
        })
        .await;
        plugin
    }

    /// Starts a plugin whose servers may not serve.
    pub(crate) async fn start_unready(options: Value) -> Self {
        let words =
            ["redis", "--listen", "127.0.0.1:0", "--workers", "2", "--drain-timeout", "1s", "--log", "off"];
        let args = Flags::parse_from(words).server;
        let store = store(options);
        let (plugin, registry) = (plugin(store.clone()), registry(&store));
        let app = App {
            name: "redis",
            args: &args,
            callers: &CallerArgs::default(),
            listen: "127.0.0.1:0",
            plugin,
            registry,
        };
        let running = app::start(app).await.unwrap();
        running.health().set_available(false).await;
        let watching = tokio::spawn(keep_health(store.clone(), running.health().clone()));
        Self { running, store, watching }
    }

    /// Runs the conformance suite against it.
    pub(crate) async fn conformance(&self) -> Report {
        let options = Options {
            concurrency: 24,
            scan_keys: 1500,
            case_timeout: std::time::Duration::from_secs(120),
            ..Options::default()
        };
        conformance::run(self.running.grpc_address(), &options, |_| {}).await.unwrap()
    }

    pub(crate) async fn stop(self) {
        self.watching.abort();
        self.running.drain().await;
    }
}
