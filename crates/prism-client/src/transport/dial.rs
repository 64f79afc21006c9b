//! From an address to an HTTP/2 connection.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prism_http2::Error;
use prism_http2::client::{Config, SendRequest, connect};
use prism_net::address::Address;
use prism_net::dial::{dial, dial_tls};
use prism_net::stream::Stream;
use prism_net::tls::client::Connector;
use prism_proto::limits;

use super::windows::Windows;

/// The sending half of a connection; dropping every clone closes it once its streams are done.
#[derive(Clone)]
pub(crate) struct Sender {
    streams: SendRequest,
    /// Set once the connection accepts no further streams.
    is_over: Arc<AtomicBool>,
}

impl Sender {
    /// Whether another request is certain to fail.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// The handle for opening a stream. An error means that the connection is over, and marks it so.
    pub(crate) async fn ready(self) -> Result<SendRequest, Error> {
        self.streams.ready().await.inspect_err(|_| self.is_over.store(true, Ordering::Relaxed))
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// The maximum size of a response's headers or trailers: what gRPC's own clients accept.
const HEADERS_BYTES_MAX: u32 = 16 * 1024;

/// Where and how to connect.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) address: Address,
    /// Secures the connections, if they are to be.
    pub(crate) tls: Option<Connector>,
    pub(crate) windows: Windows,
    /// The timeout for resolving, trying all addresses, and TLS.
    pub(crate) timeout: Duration,
}

impl Target {
    /// Opens a connection and spawns the task that drives it; the task ends with the last [`Sender`].
    pub(crate) async fn connect(&self) -> Result<Sender, ConnectError> {
        let connecting = async {
            let stream = match &self.tls {
                Some(tls) => dial_tls(&self.address, tls, self.timeout).await?,
                None => dial(&self.address, self.timeout).await?,
            };
            self.handshake(stream).await
        };
        connecting
            .await
            .map_err(|error| ConnectError { address: self.address.to_string(), error: Arc::new(error) })
    }

    /// Sends the start of HTTP/2, which a new connection accepts at once.
    async fn handshake(&self, stream: Stream) -> io::Result<Sender> {
        let (streams, connection) = connect(
            stream,
            Config {
                frame_bytes_max: limits::FRAME_BYTES_MAX,
                stream_window_bytes: self.windows.stream,
                connection_window_bytes: self.windows.connection,
                headers_bytes_max: HEADERS_BYTES_MAX,
                ..Config::default()
            },
        );
        let is_over = Arc::new(AtomicBool::new(false));
        let mark = is_over.clone();
        tokio::spawn(async move {
            let ended = connection.await;
            mark.store(true, Ordering::Relaxed);
            if let Err(error) = ended {
                tracing::debug!(%error, "connection lost");
            }
        });
        Ok(Sender { streams, is_over })
    }
}

/// Why no connection could be made. Names the address, which the caller chose and which is not secret.
#[derive(Clone, Debug)]
pub(crate) struct ConnectError {
    address: String,
    error: Arc<io::Error>,
}

impl ConnectError {
    /// The attempt ended together with the runtime on which it ran.
    pub(crate) fn interrupted(address: &Address) -> Self {
        let error = io::Error::new(io::ErrorKind::Interrupted, "the runtime of the attempt has ended");
        Self { address: address.to_string(), error: Arc::new(error) }
    }

    /// The failure.
    pub(crate) fn cause(&self) -> Arc<io::Error> {
        Arc::clone(&self.error)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to {}: {}", self.address, self.error)
    }
}

impl StdError for ConnectError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.error)
    }
}
