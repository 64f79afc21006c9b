//! HTTP/1.1 requests to another process, without TLS: a proxy's status, or the admin.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prism_net::dial::dial_tcp;
use tokio::net::TcpStream;
use tower_service::Service;

/// The largest response that is read; a proxy's status grows with its backends, by some hundred bytes each.
pub const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The longest wait for a connection whose request has been sent over another one; the others have their own limits.
const CONNECT_MAX: Duration = Duration::from_secs(60);

/// Sends requests, and keeps connections for further ones. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Fetcher(Client<Dialer, Full<Bytes>>);

impl Default for Fetcher {
    fn default() -> Self {
        Self(Client::builder(TokioExecutor::new()).build(Dialer))
    }
}

/// How a [`Fetcher`] connects.
#[derive(Clone, Debug)]
struct Dialer;

impl Service<Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(async move {
            let (Some("http"), Some(host)) = (uri.scheme_str(), uri.host()) else {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "expected an http:// URI"));
            };
            let name = format!("{host}:{}", uri.port_u16().unwrap_or(80));
            dial_tcp(&name, CONNECT_MAX).await.map(TokioIo::new)
        })
    }
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The server was not reached: it has not seen the request.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// It did not respond in time.
    #[error("no response within {0:?}")]
    TimedOut(Duration),
    /// The connection was lost, or the response is not HTTP or too large.
    #[error("{0}")]
    Lost(String),
}

impl Fetcher {
    /// Sends a request to an absolute `http://` URI and returns the whole response, within `limit`.
    ///
    /// # Errors
    /// [`FetchError`]. A response is not an error, whatever its status.
    pub async fn send(
        &self,
        request: Request<Bytes>,
        limit: Duration,
    ) -> Result<Response<Bytes>, FetchError> {
        let asked = async {
            let response =
                self.0.request(request.map(Full::new)).await.map_err(|error| match error.is_connect() {
                    true => FetchError::Connect(cause(&error)),
                    false => FetchError::Lost(cause(&error)),
                })?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| FetchError::Lost(error.to_string()))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        tokio::time::timeout(limit, asked).await.unwrap_or(Err(FetchError::TimedOut(limit)))
    }
}

/// The last error of the chain, which is the most specific.
fn cause(error: &dyn Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_http_is_asked() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let request = Request::get(format!("https://{}/", listener.local_addr().unwrap()));
        let sent =
            Fetcher::default().send(request.body(Bytes::new()).unwrap(), Duration::from_secs(60)).await;
        assert!(matches!(sent, Err(FetchError::Connect(why)) if why == "expected an http:// URI"));
    }
}
