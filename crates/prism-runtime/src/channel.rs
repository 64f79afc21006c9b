//! Asking another process over gRPC, by tonic's clients, on a connection that was made before.

use std::future::ready;
use std::io;

use hyper_util::rt::TokioIo;
use prism_net::stream::Stream;
use tonic::transport::{Channel, Endpoint, Error};
use tower::service_fn;

/// A channel over one connection; once that is lost, its calls fail. Requests name `authority`.
///
/// # Errors
/// The authority is none, or the connection ends at once.
pub async fn over(stream: Stream, authority: &str) -> Result<Channel, Error> {
    let mut stream = Some(TokioIo::new(stream));
    let connector = service_fn(move |_| {
        ready(
            stream
                .take()
                .ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, "the connection was lost")),
        )
    });
    Endpoint::from_shared(format!("http://{authority}"))?.connect_with_connector(connector).await
}
