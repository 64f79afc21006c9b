//! HTTP/1.1 requests to another process, over TCP or a Unix socket, with TLS or without: a proxy's status, or the admin.

use std::error::Error;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prism_net::address::Address;
use prism_net::dial::{dial, dial_tls};
use prism_net::stream::Stream;
use prism_net::tls::client::Connector;
use tower_service::Service;

/// The largest response that is read; a proxy's status grows with its backends, by some hundred bytes each.
pub const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The longest wait for a connection whose request has been sent over another one; the others have their own limits.
const CONNECT_MAX: Duration = Duration::from_secs(60);

/// Sends requests, and keeps connections for further ones. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Fetcher(Client<Dialer, Full<Bytes>>);

impl Default for Fetcher {
    /// One for `http://` URIs.
    fn default() -> Self {
        Self::new(Dialer { socket: None, tls: None })
    }
}

/// How a [`Fetcher`] connects.
#[derive(Clone, Debug)]
struct Dialer {
    /// Dialled whatever host the URI has.
    socket: Option<Address>,
    tls: Option<Connector>,
}

impl Dialer {
    async fn dial(self, uri: Uri) -> io::Result<Stream> {
        let default_port = match (uri.scheme_str(), &self.tls) {
            (Some("http"), _) => 80,
            (Some("https"), Some(_)) => 443,
            (Some("https"), None) => return Err(refused("https:// needs the settings of TLS")),
            _ => return Err(refused("expected an http:// or https:// URI")),
        };
        let host = uri.host().ok_or_else(|| refused("the URI has no host"))?;
        let address = self
            .socket
            .unwrap_or_else(|| Address::Tcp(format!("{host}:{}", uri.port_u16().unwrap_or(default_port))));
        match self.tls.filter(|_| default_port == 443) {
            Some(tls) => dial_tls(&address, &tls, CONNECT_MAX).await,
            None => dial(&address, CONNECT_MAX).await,
        }
    }
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

impl Service<Uri> for Dialer {
    type Response = Link;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialled = self.clone().dial(uri);
        Box::pin(async move { dialled.await.map(|stream| Link(TokioIo::new(stream))) })
    }
}

/// A connection, as hyper's client needs it.
struct Link(TokioIo<Stream>);

impl Connection for Link {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl Write for Link {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, data)
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
    /// One that also serves `https://` URIs. `tls` should offer HTTP/1.1.
    #[must_use]
    pub fn with_tls(tls: Connector) -> Self {
        Self::new(Dialer { socket: None, tls: Some(tls) })
    }

    /// One for the server at `address`, which is dialled whatever host the URIs have if it is a Unix socket.
    #[must_use]
    pub fn of(address: &Address, tls: Option<Connector>) -> Self {
        let socket = matches!(address, Address::Unix(_)).then(|| address.clone());
        Self::new(Dialer { socket, tls })
    }

    fn new(dialer: Dialer) -> Self {
        Self(Client::builder(TokioExecutor::new()).build(dialer))
    }

    /// Sends a request to an absolute URI and returns the whole response, within `limit`.
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

    const LIMIT: Duration = Duration::from_secs(60);

    fn request(uri: &str) -> Request<Bytes> {
        Request::get(uri).body(Bytes::new()).unwrap()
    }

    #[tokio::test]
    async fn what_cannot_be_fetched_is_told() {
        for (uri, told) in [
            ("https://127.0.0.1:1/", "https:// needs the settings of TLS"),
            ("ftp://127.0.0.1:1/", "expected an http:// or https:// URI"),
        ] {
            let sent = Fetcher::default().send(request(uri), LIMIT).await;
            assert!(matches!(sent, Err(FetchError::Connect(why)) if why == told), "{uri}");
        }
    }

    #[tokio::test]
    async fn a_unix_socket_is_dialled_whatever_the_host() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let read = stream.read(&mut head).await.unwrap();
            assert!(head[..read].starts_with(b"GET /page HTTP/1.1\r\nhost: localhost\r\n"));
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone").await.unwrap();
        };
        let fetcher = Fetcher::of(&Address::Unix(path.clone()), None);
        let (answer, ()) = tokio::join!(fetcher.send(request("http://localhost/page"), LIMIT), serve);
        assert_eq!(answer.unwrap().body(), "done");
    }

    #[tokio::test]
    async fn a_server_that_speaks_plaintext_is_told_of_by_a_client_of_tls() {
        use prism_net::tls::Protocol;
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("https://{}/", listener.local_addr().unwrap());
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
        };
        let tls = Connector::new(Default::default(), Some(Protocol::Http1)).unwrap();
        let fetcher = Fetcher::with_tls(tls);
        let (sent, ()) = tokio::join!(fetcher.send(request(&uri), LIMIT), serve);
        assert!(matches!(&sent, Err(FetchError::Connect(why)) if why.contains("plaintext")), "{sent:?}");
    }
}
