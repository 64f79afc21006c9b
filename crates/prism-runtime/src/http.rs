//! The HTTP port for operators: `/metrics`, `/livez`, `/readyz`, and a service's own routes; and an HTTP-only server.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Extension, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prism_grpc::peer::PeerAddress;
use prism_grpc::workers::Pulse;
use prism_net::address::Address;
use prism_net::listen::{Listener, Socket};
use prism_net::seldom::Seldom;
use prism_net::stream::Stream;
use prism_net::tls::Protocol;
use prism_net::tls::server::ServerTls;
use prism_net::tls::trust::ClientCertificate;
use prism_proto::{Error, ErrorReason};
use prometheus_client::registry::Registry;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::exit::ServerError;
use crate::exposure::{self, Protection};
use crate::health::Health;
use crate::metrics;
use crate::signals::Signals;

/// How long a client has to send a request's head.
const HEAD_MAX: Duration = Duration::from_secs(10);

/// A worker without a turn for this long is stuck; normally each has one every second.
const STALL_MAX: Duration = Duration::from_secs(10);

/// The maximum number of connections: scrapers and probes need few.
const CONNECTIONS_MAX: usize = 256;

/// The routes that every server has.
pub(crate) fn routes(mut registry: Registry, health: Health, pulse: Option<Pulse>) -> Router {
    metrics::register_process(&mut registry);
    let livez = move || async move {
        match pulse.map_or(0, |pulse| pulse.stalled(STALL_MAX)) {
            0 => (StatusCode::OK, "ok\n".to_owned()),
            stalled => {
                let why =
                    format!("{stalled} worker threads have not had a turn for {} s\n", STALL_MAX.as_secs());
                (StatusCode::SERVICE_UNAVAILABLE, why)
            }
        }
    };
    let readyz = move || async move {
        if health.is_serving() {
            (StatusCode::OK, "ok\n")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not serving\n")
        }
    };
    let registry = Arc::new(registry);
    let metrics = move || async move {
        match metrics::encode(&registry) {
            Ok(text) => {
                let openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                ([(header::CONTENT_TYPE, openmetrics)], text).into_response()
            }
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    };
    Router::new().route("/livez", get(livez)).route("/readyz", get(readyz)).route("/metrics", get(metrics))
}

/// Admits a request by its headers and the certificate of its connection, or says why not.
pub type HttpGuard = Arc<dyn Fn(&HeaderMap, Option<&ClientCertificate>) -> Result<(), Error> + Send + Sync>;

/// The routes, of which all but `/livez` and `/readyz` are guarded.
pub(crate) fn guarded(routes: Router, guard: HttpGuard) -> Router {
    routes.layer(from_fn(move |request: Request, next: Next| {
        let is_probe = matches!(request.uri().path(), "/livez" | "/readyz");
        let certificate = request.extensions().get::<Arc<ClientCertificate>>();
        let admitted =
            if is_probe { Ok(()) } else { guard(request.headers(), certificate.map(AsRef::as_ref)) };
        async move {
            match admitted {
                Ok(()) => next.run(request).await,
                Err(error) if error.reason == ErrorReason::PermissionDenied => {
                    (StatusCode::FORBIDDEN, format!("{error}\n")).into_response()
                }
                Err(error) => {
                    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
                    (StatusCode::UNAUTHORIZED, challenge, format!("{error}\n")).into_response()
                }
            }
        }
    }))
}

/// Serves HTTP/1.1 until `stop` or until dropped; then drops the connections, which only serve small requests.
pub(crate) async fn serve(
    listener: Listener,
    tls: Option<Arc<ServerTls>>,
    router: Router,
    stop: CancellationToken,
) {
    let connections = Connections { tls, drain: CancellationToken::new(), stop, open: TaskTracker::new() };
    let stop = connections.stop.clone();
    stop.run_until_cancelled(connections.accept(&listener, &router)).await;
}

/// The connections of a port.
#[derive(Debug)]
struct Connections {
    tls: Option<Arc<ServerTls>>,
    /// Cancelled when each connection should end after its current request.
    drain: CancellationToken,
    /// Cancelled when each connection should end at once.
    stop: CancellationToken,
    open: TaskTracker,
}

impl Connections {
    async fn accept(&self, listener: &Listener, router: &Router) {
        let permits = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
        while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
            match listener.accept().await {
                Ok(socket) => {
                    let (router, drain, stop) = (router.clone(), self.drain.clone(), self.stop.clone());
                    let tls = self.tls.clone();
                    self.open.spawn(async move {
                        stop.run_until_cancelled_owned(serve_connection(socket, tls, router, drain)).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept an HTTP connection; pausing");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn serve_connection(
    socket: Socket,
    tls: Option<Arc<ServerTls>>,
    mut router: Router,
    drain: CancellationToken,
) {
    let peer = socket.peer_address().map_or(PeerAddress::Unix, PeerAddress::Tcp);
    let stream = match (socket.into_stream(), tls) {
        (Ok(stream), None) => stream,
        (Ok(stream), Some(tls)) => {
            let handshake = tokio::time::timeout(HEAD_MAX, tls.accept(stream, Protocol::Http1, &peer));
            // A failure is logged where it is known.
            let Some(Ok(Ok((stream, certificate)))) = drain.run_until_cancelled(handshake).await else {
                return;
            };
            if let Some(certificate) = certificate {
                router = router.layer(Extension(Arc::new(certificate)));
            }
            Stream::Tls(Box::new(stream))
        }
        (Err(error), _) => {
            tracing::debug!(%error, "an HTTP connection was lost");
            return;
        }
    };
    match stream {
        Stream::Tcp(stream) => serve_stream(stream, router, drain).await,
        Stream::Unix(stream) => serve_stream(stream, router, drain).await,
        Stream::Tls(stream) => serve_stream(stream, router, drain).await,
    }
}

async fn serve_stream<S>(stream: S, router: Router, drain: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_MAX);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = drain.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        static NOTICES: Seldom = Seldom::new();
        if error.is_parse()
            && let Some(left_out) = NOTICES.turn()
        {
            let why =
                "a client does not speak HTTP/1.1 on the HTTP port; it may speak TLS on a port without TLS";
            tracing::warn!(left_out, %error, why);
        }
        tracing::debug!(%error, "an HTTP connection failed");
    }
}

/// The port of an HTTP/1.1-only server.
#[derive(Clone, Debug)]
pub struct HttpPort {
    /// Where to serve.
    pub listen: Address,
    /// TLS, if it has any.
    pub tls: Option<Arc<ServerTls>>,
    /// Whether it knows who sends a request.
    pub knows_senders: bool,
    /// Where what other machines can reach without protection is told.
    pub open: exposure::Open,
    /// Whether it must not start if other machines can reach it without TLS or without credentials.
    pub require_secure: bool,
}

/// An HTTP/1.1-only server, with `/metrics`, `/livez` and `/readyz` among its routes.
#[derive(Debug)]
pub struct HttpServer {
    name: &'static str,
    address: String,
    health: Health,
    drain_timeout: Duration,
    connections: Arc<Connections>,
    acceptor: tokio::task::JoinHandle<()>,
}

impl HttpServer {
    /// Binds the address and serves, with TLS if there is any. Must be called within a tokio runtime. `drain` is cancelled
    /// when the drain begins, for responses that would not end by themselves.
    ///
    /// # Errors
    /// The address cannot be bound, or is not protected although it must be.
    pub async fn start(
        name: &'static str,
        port: HttpPort,
        drain_timeout: Duration,
        drain: CancellationToken,
        mut registry: Registry,
        make_router: impl FnOnce(Router) -> Router,
    ) -> Result<Self, ServerError> {
        let HttpPort { listen, tls, knows_senders, open, require_secure } = port;
        let listener = Listener::bind(&listen).await.map_err(ServerError::address(&listen))?;
        let address = listener.local_address();
        let protection = Protection { knows_operators: knows_senders, ..Protection::default() };
        open.set(exposure::check(&protection, tls.is_some(), None, Some(&address), require_secure)?);
        let health = Health::new(&[]).await;
        if let Some(tls) = &tls {
            metrics::register_tls(&mut registry, tls);
            let (tls, drain) = (Arc::clone(tls), drain.clone());
            tokio::spawn(async move { drain.run_until_cancelled(tls.watch()).await });
        }
        let router = make_router(routes(registry, health.clone(), None));
        health.set_serving(true).await;
        let connections =
            Arc::new(Connections { tls, drain, stop: CancellationToken::new(), open: TaskTracker::new() });
        let accepting = Arc::clone(&connections);
        let acceptor = tokio::spawn(async move {
            let drain = accepting.drain.clone();
            drain.run_until_cancelled_owned(accepting.accept(&listener, &router)).await;
        });
        Ok(Self { name, address, health, drain_timeout, connections, acceptor })
    }

    /// Where it listens: `HOST:PORT`, or `unix:PATH`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Prints the line that tells scripts where the server listens.
    pub fn print_ready_line(&self) {
        // Standard output may be closed.
        let _ = writeln!(io::stdout(), "{} ready http={}", self.name, self.address);
    }

    /// Serves until a signal stops the process, then drains. A second signal ends it at once.
    ///
    /// # Errors
    /// A second signal ended the drain.
    pub async fn run_until(self, mut signals: Signals) -> Result<(), ServerError> {
        signals.next().await;
        tokio::select! {
            () = self.drain() => Ok(()),
            name = signals.next_of_its_own() => Err(ServerError::failed(format!("a second signal, {name}, ended the drain"))),
        }
    }

    /// Accepts no more connections, lets requests in flight finish, at most for the drain timeout, and ends.
    pub async fn drain(self) {
        tracing::info!(limit = ?self.drain_timeout, "draining");
        self.health.set_serving(false).await;
        self.connections.drain.cancel();
        let _ = self.acceptor.await;
        self.connections.open.close();
        if tokio::time::timeout(self.drain_timeout, self.connections.open.wait()).await.is_err() {
            tracing::warn!("the drain timeout has passed; closed the rest");
        }
        self.connections.stop.cancel();
    }
}
