//! A server's lifecycle: bind, start, report ready, drain, stop.
//!
//! ```text
//! start ──▶ ready ──SIGTERM/SIGINT──▶ NOT_SERVING ──▶ draining ──last call or deadline──▶ stopped
//! ```

use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use futures_util::future::BoxFuture;
use prism_grpc::connection::Handler;
use prism_grpc::limits::Limits;
use prism_grpc::shared::Shared;
use prism_grpc::span::Tracer;
use prism_grpc::workers::Workers;
use prism_net::address::Address;
use prism_net::listen::Listener;
use prism_net::tls::server::ServerTls;
use prometheus_client::registry::Registry;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::args::{HttpListen, ServerArgs};
use crate::exit::ServerError;
use crate::exposure::{self, Protection};
use crate::health::Health;
use crate::http::HttpGuard;
use crate::signals::Signals;
use crate::traces::{TraceArgs, Traces};
use crate::{allocator, descriptors, http, metrics};

/// How long the last work may take.
const CLOSE_MAX: Duration = Duration::from_secs(10);

/// A server that is about to start.
pub struct Server {
    /// The binary's name, for the ready line.
    pub name: &'static str,
    /// Where to serve gRPC.
    pub listen: Address,
    /// Where to serve HTTP, if anywhere.
    pub http_listen: Option<Address>,
    /// TLS of both ports, if they have it.
    pub tls: Option<Arc<ServerTls>>,
    /// Worker threads.
    pub workers: usize,
    /// The maximum number of open connections.
    pub connections_max: usize,
    /// How much it may use at once.
    pub limits: Limits,
    /// How long it keeps accepting calls before a drain.
    pub drain_delay: Duration,
    /// How long a drain may take.
    pub drain_timeout: Duration,
    /// Cancelled when the drain begins.
    pub drain: CancellationToken,
    /// What the health service reports.
    pub health: Health,
    /// What `/metrics` shows.
    pub registry: Registry,
    /// Which calls are traced, and where their spans go.
    pub traces: TraceArgs,
    /// Further routes of the HTTP port.
    pub http_routes: Router,
    /// Admits requests to the HTTP port beyond `/livez` and `/readyz`; `None` admits all.
    pub http_guard: Option<HttpGuard>,
    /// What protects the ports.
    pub protection: Protection,
    /// Where what other machines can reach without protection is told.
    pub open: exposure::Open,
    /// Whether a port that other machines can reach without protection stops the start.
    pub require_secure: bool,
    /// What remains to be done once the last call has ended.
    pub close: Option<Close>,
}

/// The last work of a server: keeping what its calls have left.
pub type Close = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

impl Server {
    /// A server with the shared flags, and the service's own defaults for absent ones.
    ///
    /// # Errors
    /// The files of TLS cannot be used.
    pub fn new(
        name: &'static str,
        args: &ServerArgs,
        listen: Address,
        http_listen: HttpListen,
        health: Health,
    ) -> Result<Self, ServerError> {
        let http_listen = match args.http_listen.clone().unwrap_or(http_listen) {
            HttpListen::Off => None,
            HttpListen::At(address) => Some(address),
        };
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Ok(Self {
            name,
            tls: args.tls.load()?,
            listen: args.listen.clone().unwrap_or(listen),
            http_listen,
            workers: args.workers.unwrap_or_else(cores).get(),
            connections_max: args.connections_max.get(),
            limits: args.limits.limits(),
            drain_delay: args.drain_delay,
            drain_timeout: args.drain_timeout,
            drain: CancellationToken::new(),
            health,
            registry: Registry::default(),
            traces: args.traces.clone(),
            http_routes: Router::new(),
            http_guard: None,
            protection: Protection::default(),
            open: exposure::Open::default(),
            require_secure: args.require_secure,
            close: None,
        })
    }

    /// Binds the addresses and starts to serve. `make_handler` runs once on each worker.
    ///
    /// # Errors
    /// An address cannot be bound, it is not protected although it must be, or the system refuses a thread.
    pub async fn start<H: Handler>(
        mut self,
        make_handler: impl Fn() -> H + Send + Sync + 'static,
    ) -> Result<Running, ServerError> {
        let listener = Listener::bind(&self.listen).await.map_err(ServerError::address(&self.listen))?;
        let http_listener = match &self.http_listen {
            Some(address) => Some(Listener::bind(address).await.map_err(ServerError::address(address))?),
            None => None,
        };
        let grpc_address = listener.local_address();
        let http_address = http_listener.as_ref().map(Listener::local_address);
        let (has_tls, http) = (self.tls.is_some(), http_address.as_deref());
        let open =
            exposure::check(&self.protection, has_tls, Some(&grpc_address), http, self.require_secure)?;
        self.open.set(open);
        let traces = Traces::start(self.name, &self.traces)?;
        let tracer = traces.as_ref().map(|traces| -> Arc<dyn Tracer> { Arc::new(traces.tracer()) });
        let mut shared = Shared::new(self.limits, self.drain.clone(), tracer);
        shared.tls.clone_from(&self.tls);
        let shared = Arc::new(shared);
        metrics::register_shared(&mut self.registry, &shared);
        if let Some(tls) = &self.tls {
            metrics::register_tls(&mut self.registry, tls);
            let (tls, drain) = (Arc::clone(tls), self.drain.clone());
            tokio::spawn(async move { drain.run_until_cancelled(tls.watch()).await });
        }
        let connections_max = connections_within_descriptors(self.connections_max);
        let workers = Workers::start(self.workers, &shared, allocator::release, make_handler)
            .map_err(ServerError::failed)?;
        self.health.set_serving(true).await;

        let stop_http = CancellationToken::new();
        let http = http_listener.map(|listener| {
            let pulse = Some(workers.pulse());
            let routes = http::routes(self.registry, self.health.clone(), pulse).merge(self.http_routes);
            let routes = match self.http_guard {
                Some(guard) => http::guarded(routes, guard),
                None => routes,
            };
            tokio::spawn(http::serve(listener, self.tls, routes, stop_http.clone()))
        });
        let drain = self.drain.clone();
        let acceptor = tokio::spawn(async move {
            drain.run_until_cancelled(workers.accept(&listener, connections_max)).await;
            workers
        });
        Ok(Running {
            name: self.name,
            grpc_address,
            http_address,
            drain: self.drain,
            drain_delay: self.drain_delay,
            drain_timeout: self.drain_timeout,
            health: self.health,
            acceptor,
            http,
            stop_http,
            traces,
            close: self.close,
        })
    }
}

/// As many connections as requested, or as the limit of open files has room for.
fn connections_within_descriptors(connections_max: usize) -> usize {
    match descriptors::room_for_connections() {
        Some(room) if room < connections_max => {
            tracing::warn!(
                connections = room,
                asked_for = connections_max,
                "the limit of open files (ulimit -n) has room for fewer connections than --connections-max"
            );
            room
        }
        _ => connections_max,
    }
}

/// A server that accepts calls.
pub struct Running {
    name: &'static str,
    grpc_address: String,
    http_address: Option<String>,
    drain: CancellationToken,
    drain_delay: Duration,
    drain_timeout: Duration,
    health: Health,
    acceptor: JoinHandle<Workers>,
    http: Option<JoinHandle<()>>,
    stop_http: CancellationToken,
    traces: Option<Traces>,
    close: Option<Close>,
}

impl Running {
    /// Where it serves gRPC: `HOST:PORT`, or `unix:PATH`.
    #[must_use]
    pub fn grpc_address(&self) -> &str {
        &self.grpc_address
    }

    /// Where it serves HTTP, if anywhere.
    #[must_use]
    pub fn http_address(&self) -> Option<&str> {
        self.http_address.as_deref()
    }

    /// The health that it serves.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Prints the line that tells scripts where the server listens.
    pub fn print_ready_line(&self) {
        let http = self.http_address.as_ref().map_or_else(String::new, |address| format!(" http={address}"));
        // Standard output may be closed.
        let _ = writeln!(io::stdout(), "{} ready grpc={}{http}", self.name, self.grpc_address);
    }

    /// Stops accepting calls, lets those in flight finish, at most for the drain timeout, and ends.
    pub async fn drain(self) {
        self.health.set_serving(false).await;
        if !self.drain_delay.is_zero() {
            tracing::info!(delay = ?self.drain_delay, "not serving; accepting calls until the drain begins");
            tokio::time::sleep(self.drain_delay).await;
        }
        let begun = Instant::now();
        tracing::info!(limit = ?self.drain_timeout, "draining");
        self.drain.cancel();
        if let Ok(workers) = self.acceptor.await {
            match workers.stop(self.drain_timeout).await {
                0 => tracing::info!(took = ?begun.elapsed(), "drained"),
                cut_off => {
                    tracing::warn!(connections = cut_off, "the drain timeout has passed; closed the rest")
                }
            }
        }
        if let Some(close) = self.close
            && timeout(CLOSE_MAX, close()).await.is_err()
        {
            tracing::warn!(limit = ?CLOSE_MAX, "what remained to be done has not ended; leaving it undone");
        }
        self.stop_http.cancel();
        if let Some(http) = self.http {
            let _ = http.await;
        }
        if let Some(traces) = self.traces {
            traces.stop().await;
        }
    }

    /// Serves until a signal stops the process, then drains. A second signal ends it at once. `background` runs
    /// alongside and is dropped at the end.
    ///
    /// # Errors
    /// A second signal ended the drain.
    pub async fn run_until(
        self,
        mut signals: Signals,
        background: impl Future<Output = ()>,
    ) -> Result<(), ServerError> {
        let serve = async {
            signals.next().await;
            tokio::select! {
                () = self.drain() => Ok(()),
                name = signals.next_of_its_own() => Err(ServerError::failed(format!("a second signal, {name}, ended the drain"))),
            }
        };
        let background = async {
            background.await;
            std::future::pending().await
        };
        tokio::select! {
            stopped = serve => stopped,
            () = background => Ok(()),
        }
    }
}
