//! The HTTP port for operators: `/metrics`, `/livez`, `/readyz`, and what a service adds.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use crate::health::Health;
use crate::listen::{Listener, Socket, Stream};
use crate::metrics;

/// A client has this long to send a request's head.
const HEAD_MAX: Duration = Duration::from_secs(10);

/// The most connections at once: scrapers and probes need few.
const CONNECTIONS_MAX: usize = 256;

/// The routes that every server has.
pub(crate) fn routes(registry: Arc<Registry>, health: Health) -> Router {
    let livez = || async { "ok\n" };
    let readyz = move || async move {
        if health.is_serving() {
            (StatusCode::OK, "ok\n")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not serving\n")
        }
    };
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

/// Serves HTTP/1.1 until `stop`; then the connections are dropped, for they only answer small questions.
pub(crate) async fn serve(listener: Listener, router: Router, stop: CancellationToken) {
    let permits = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    let accept = async {
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            match listener.accept().await {
                Ok(socket) => {
                    let (router, stop) = (router.clone(), stop.clone());
                    tokio::spawn(async move {
                        stop.run_until_cancelled_owned(serve_connection(socket, router)).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept an HTTP connection; pausing");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    stop.run_until_cancelled(accept).await;
}

async fn serve_connection(socket: Socket, router: Router) {
    let service = TowerToHyperService::new(router);
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_MAX);
    let served = match socket.into_stream() {
        Ok(Stream::Tcp(stream)) => http.serve_connection(TokioIo::new(stream), service).await,
        Ok(Stream::Unix(stream)) => http.serve_connection(TokioIo::new(stream), service).await,
        Err(error) => return tracing::debug!(%error, "an HTTP connection was lost"),
    };
    if let Err(error) = served {
        tracing::debug!(%error, "an HTTP connection failed");
    }
}
