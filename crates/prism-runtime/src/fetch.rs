//! Asking another process over HTTP/1.1, without TLS: the status of a proxy, or the admin.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// The largest answer that is read; the status of a proxy grows with its backends, by some hundred bytes each.
pub const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Asks, and keeps connections for further questions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Fetcher(Client<HttpConnector, Full<Bytes>>);

impl Default for Fetcher {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self(Client::builder(TokioExecutor::new()).build(connector))
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The other side was not reached: it has not seen the request.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// It did not answer in time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The connection was lost, or what came is not HTTP or too large.
    #[error("{0}")]
    Lost(String),
}

impl Fetcher {
    /// Sends a request to an absolute `http://` URI; the whole answer, within `limit`.
    ///
    /// # Errors
    /// [`FetchError`]. An answer with any status is no error.
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

/// What an error chain ends with, which says the most.
fn cause(error: &dyn Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
