//! gRPC calls to another process with tonic's clients, over a connection that already exists.

use std::future::ready;
use std::io;

use hyper_util::rt::TokioIo;
use prism_net::stream::Stream;
use tonic::transport::{Channel, Endpoint, Error};
use tower::service_fn;

/// A channel over one connection; its calls fail once the connection is lost. Requests name `authority`.
///
/// # Errors
/// The authority is invalid, or the connection ends at once.
pub async fn over(stream: Stream, authority: &str) -> Result<Channel, Error> {
    let secured = matches!(stream, Stream::Tls(_));
    let mut stream = Some(TokioIo::new(stream));
    let connector = service_fn(move |_| {
        ready(
            stream
                .take()
                .ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, "the connection was lost")),
        )
    });
    let mut endpoint = Endpoint::from_shared(format!("http://{authority}"))?;
    if secured && let Ok(origin) = format!("https://{authority}").parse() {
        endpoint = endpoint.origin(origin);
    }
    endpoint.connect_with_connector(connector).await
}
