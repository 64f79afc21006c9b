//! The wiring of a proxy: from flags and file to a table, from the table to a server.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use prism_auth::fresh::keep_fresh;
use prism_grpc::handler::ServiceHandler;
use prism_grpc::service::Services;
use prism_plugin::driver::Drivers;
use prism_proto::methods;
use prism_runtime::args::{HttpListen, ServerArgs};
use prism_runtime::exit::ServerError;
use prism_runtime::health::Health;
use prism_runtime::signals::Signals;
use prism_runtime::{Running, Server, reflection, telemetry, tls};

use crate::access::AccessLog;
use crate::config::{self, Callers, Config, ConfigError};
use crate::endpoint;
use crate::forward::Forwarder;
use crate::metrics::ProxyCollector;
use crate::reflected::Reflected;
use crate::reload::{Reloader, Source};
use crate::route::{Embedded, RouteTable};
use crate::shared::Shared;
use crate::status;
use crate::traffic::page;
use crate::upstream::SlotArgs;

/// The binary's name.
pub const NAME: &str = "prism-proxy";

const LISTEN_DEFAULT: &str = "127.0.0.1:8980";
const HTTP_LISTEN_DEFAULT: &str = "127.0.0.1:8981";

/// The defaults of the shared flags, if neither they nor the file set a value.
pub const DEFAULTS: [(&str, &str); 2] = [("listen", LISTEN_DEFAULT), ("http-listen", HTTP_LISTEN_DEFAULT)];

/// Forwards each call to the backend of its namespace.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Args {
    /// Configuration file, reloaded whenever it changes [default: prism.yaml; while that is missing, namespace "default" is
    /// served from localhost:50051].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the about of the command")]
    pub proxy: ProxyArgs,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the about of the command")]
    pub server: ServerArgs,
}

/// The proxy's own flags, wherever it runs.
#[derive(clap::Args, Clone, Debug)]
pub struct ProxyArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the about of the command")]
    pub access_log: AccessLog,

    /// Maximum calls in flight in one namespace, whatever its max_in_flight says [default: 1/4 of --in-flight-max, at least
    /// 16].
    #[arg(long, value_name = "N")]
    pub namespace_in_flight_max: Option<NonZeroUsize>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the about of the command")]
    pub slots: SlotArgs,
}

impl ProxyArgs {
    fn namespace_in_flight_max(&self, whole: usize) -> usize {
        self.namespace_in_flight_max.map_or_else(|| (whole / 4).max(16), NonZeroUsize::get).min(whole)
    }
}

/// Runs a proxy until a signal stops the process. `drivers` open the backends that its configuration embeds.
///
/// # Errors
/// The configuration is invalid, or an address cannot be bound.
pub async fn run(args: Args, drivers: Drivers) -> Result<(), ServerError> {
    telemetry::init(&args.server.log, args.server.log_format)?;
    let signals = Signals::take()?;
    let source = match args.config {
        Some(path) => Source::File { path, required: true },
        None => Source::File { path: config::DEFAULT_PATH.into(), required: false },
    };
    let (running, reload) = start(&args.server, args.proxy, source, drivers).await?;
    running.print_ready_line();
    running.run_until(signals, reload).await
}

/// Starts a proxy and returns once it accepts calls. The second part follows changes of the source, and must run
/// alongside the first.
///
/// # Errors
/// The configuration is invalid, or an address cannot be bound.
pub async fn start(
    args: &ServerArgs,
    proxy: ProxyArgs,
    source: Source,
    drivers: Drivers,
) -> Result<(Running, impl Future<Output = ()> + use<>), ServerError> {
    let begun = Instant::now();
    let wrong = |error: ConfigError| ServerError::Config(error.to_string());
    let config = source.load().map_err(wrong)?;
    let table = RouteTable::build(config.clone(), &drivers, &RouteTable::default());
    let table = table.map_err(|mistakes| wrong(ConfigError::Invalid { path: source.name(), mistakes }))?;
    tracing::info!(
        namespaces = table.len(),
        revision = table.revision(),
        took = ?begun.elapsed(),
        "loaded the configuration"
    );

    // An interface that reflection lists has a health, too: that of the proxy.
    let interfaces: Vec<_> = methods::INTERFACES.iter().map(String::as_str).collect();
    let health = Health::new(&interfaces).await;
    let default = |text: &str| text.parse().map_err(ServerError::failed);
    let listen = config.listen.clone().map_or_else(|| default(LISTEN_DEFAULT), Ok)?;
    let http_listen = config.http_listen.clone().map_or_else(|| default(HTTP_LISTEN_DEFAULT), Ok)?;
    let mut server = Server::new(NAME, args, listen, HttpListen::At(http_listen), health.clone())?;
    let file_tls = config.tls.clone().map(tls::load).transpose()?;
    if file_tls.is_some() && server.tls.is_some() {
        let why = "server.tls of the file and --tls-certificate-file are both given; leave one out";
        return Err(ServerError::Config(format!("{}: {why}", source.name())));
    }
    server.tls = server.tls.or_else(|| file_tls.clone());

    let services = Services::default().add(health.service(), tonic_health::pb::FILE_DESCRIPTOR_SET);
    let namespace_in_flight_max = proxy.namespace_in_flight_max(server.limits.in_flight_max);
    server.protection.knows_callers = table.gate().authenticator().is_some();
    server.protection.knows_operators = table.gate().has_operators();
    server.protection.still_open = still_open(&config);
    server.require_secure |= config.callers.require_secure;
    let shared = Shared::new(table, proxy.access_log, namespace_in_flight_max);
    let reflected = Arc::new(Reflected::new(&services, &shared));
    let services = reflection::add_to(services, reflected).with_server(endpoint::PROXY);
    let own = ServiceHandler::new(services, server.drain.clone());
    let fresh = Arc::clone(&shared);
    let credentials = keep_fresh(move || fresh.table().refresh_credentials());
    let (reloader, status) = Reloader::new(source, &config, drivers, &shared, file_tls)?;
    let collector = ProxyCollector { shared: Arc::clone(&shared), status: status.clone() };
    server.registry.register_collector(Box::new(collector));
    server.http_routes = status::routes(Arc::clone(&shared), status, server.open.clone())
        .merge(page::routes(Arc::clone(&shared)));
    let ending = Arc::clone(&shared);
    server.close = Some(Box::new(move || {
        let closing: Vec<_> = ending.table().embedded().map(Embedded::close).collect();
        Box::pin(async {
            for closing in closing {
                closing.await;
            }
        })
    }));
    let guard = Arc::clone(&shared);
    server.http_guard =
        Some(Arc::new(move |headers, certificate| guard.table().gate().admit_operator(headers, certificate)));
    let running = server.start(move || Forwarder::new(Arc::clone(&shared), own.clone(), proxy.slots)).await?;
    let reload = async {
        let reload = async {
            if let Some(reloader) = reloader {
                reloader.run().await;
            }
        };
        tokio::join!(reload, credentials);
    };
    Ok((running, reload))
}

/// What is open even though callers are known: namespaces without `access`.
fn still_open(config: &Config) -> Option<String> {
    let open = config.namespaces.iter().filter(|namespace| namespace.access.is_none()).count();
    (config.callers != Callers::default() && open > 0).then(|| format!("{open} namespaces without access"))
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::atomic::{AtomicBool, Ordering};

    use prism_grpc::service::Served;
    use prism_memstore::MemStoreDriver;
    use prism_memstore::config::MEMORY_LIMIT_DEFAULT;
    use prism_plugin::driver::{Driver, Found, Instance, Mistake, Options, State, Take};

    use super::*;

    type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

    /// A store in memory that notes that it was closed.
    #[derive(Debug)]
    struct Noting {
        driver: MemStoreDriver,
        is_closed: Arc<AtomicBool>,
    }

    struct Store {
        instance: Arc<dyn Instance>,
        is_closed: Arc<AtomicBool>,
    }

    impl Driver for Noting {
        fn check(&self, options: &Options) -> Result<(), Vec<Mistake>> {
            self.driver.check(options)
        }

        fn open(&self, options: &Options) -> Result<Arc<dyn Instance>, Vec<Mistake>> {
            let (instance, is_closed) = (self.driver.open(options)?, Arc::clone(&self.is_closed));
            Ok(Arc::new(Store { instance, is_closed }))
        }

        fn probe(&self, options: &Options) -> BoxFuture<Result<Found, String>> {
            self.driver.probe(options)
        }
    }

    impl Instance for Store {
        fn served(&self) -> Served {
            self.instance.served()
        }

        fn take(&self, options: &Options) -> Option<Take> {
            self.instance.take(options)
        }

        fn state(&self) -> State {
            self.instance.state()
        }

        fn close(&self) -> BoxFuture<()> {
            let is_closed = Arc::clone(&self.is_closed);
            Box::pin(async move { is_closed.store(true, Ordering::Relaxed) })
        }
    }

    #[tokio::test]
    async fn a_store_in_the_process_is_closed_by_a_drain() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prism.yaml");
        let file =
            "namespaces: [{ name: a, pattern: keyvalue, plugin: { endpoint: 'embedded:memstore' } }]\n";
        std::fs::write(&path, file).unwrap();
        let args =
            Args::parse_from(["prism-proxy", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"]);
        let is_closed = Arc::new(AtomicBool::new(false));
        let driver = MemStoreDriver { memory_limit: MEMORY_LIMIT_DEFAULT };
        let driver: Arc<dyn Driver> = Arc::new(Noting { driver, is_closed: Arc::clone(&is_closed) });
        let drivers = Drivers::from([("memstore", driver)]);
        let source = Source::File { path, required: true };
        let (running, _reload) = start(&args.server, args.proxy, source, drivers).await.unwrap();
        assert!(!is_closed.load(Ordering::Relaxed));
        running.drain().await;
        assert!(is_closed.load(Ordering::Relaxed));
    }
}
