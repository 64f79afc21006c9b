//! From an address to an HTTP/2 connection: looks the name up, tries every address, sets the socket's options.
//!
//! A dead peer is found by TCP (keepalive, and a limit on unacknowledged data), never by HTTP/2 PINGs: stock gRPC
//! servers answer frequent PINGs with GOAWAY.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use prism_proto::limits;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, UnixStream, lookup_host};

use super::windows::Windows;
use crate::address::Address;

/// The sending half of a connection; dropping every clone closes it once its streams are done.
#[derive(Clone)]
pub(crate) struct Sender {
    streams: h2::client::SendRequest<Bytes>,
    /// Set once the connection takes no further streams.
    is_over: Arc<AtomicBool>,
}

impl Sender {
    /// Whether a further request is certain to fail.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// The handle to open a stream with. An error says that the connection is over, and marks it so.
    pub(crate) async fn ready(self) -> Result<h2::client::SendRequest<Bytes>, h2::Error> {
        self.streams.ready().await.inspect_err(|_| self.is_over.store(true, Ordering::Relaxed))
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// How long an idle connection is quiet before TCP probes it, and how long between probes.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// Unanswered probes until the connection counts as dead: dead after 5 s + 2 × 5 s.
const KEEPALIVE_PROBES: u32 = 2;

/// How long sent data may stay unacknowledged: the same 15 s.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(15);

/// How long one address is tried alone before the next joins in (RFC 8305, section 5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// The largest headers or trailers of an answer: what gRPC's own clients take.
const HEADERS_BYTES_MAX: u32 = 16 * 1024;

/// Streams cancelled here whose late frames are still expected, for a second each. h2's 50 is fewer than the calls
/// that one burst may cancel.
const CANCELLED_STREAMS_MAX: usize = 1024;

/// Where to connect to, and how.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) address: Address,
    pub(crate) windows: Windows,
    /// For looking up, connecting and all addresses together.
    pub(crate) timeout: Duration,
}

impl Target {
    /// Opens a connection and spawns the task that drives it; the task ends with the last [`Sender`].
    pub(crate) async fn connect(&self) -> Result<Sender, ConnectError> {
        let connecting = async {
            match &self.address {
                Address::Tcp { host, port } => self.handshake(tcp(host, *port).await?).await,
                Address::Unix(path) => self.handshake(unix(path).await?).await,
            }
        };
        let result = match tokio::time::timeout(self.timeout, connecting).await {
            Ok(result) => result,
            Err(_) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {:?}", self.timeout)))
            }
        };
        result.map_err(|error| ConnectError { address: self.address.to_string(), error: Arc::new(error) })
    }

    async fn handshake<T>(&self, stream: T) -> io::Result<Sender>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (streams, connection) = h2::client::Builder::new()
            .max_frame_size(limits::FRAME_BYTES_MAX)
            .initial_window_size(self.windows.stream)
            .initial_connection_window_size(self.windows.connection)
            .max_header_list_size(HEADERS_BYTES_MAX)
            .max_concurrent_reset_streams(CANCELLED_STREAMS_MAX)
            .enable_push(false)
            .handshake(stream)
            .await
            .map_err(io::Error::other)?;
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

/// Connects to the first address of `host` that answers; a slow one does not hold up the next.
async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut addresses = lookup_host((host, port)).await?;
    let mut attempts = FuturesUnordered::new();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    loop {
        match addresses.next() {
            Some(address) => attempts.push(dial(address)),
            None if attempts.is_empty() => return Err(failure),
            None => {}
        }
        let more_to_come = addresses.size_hint().1 != Some(0);
        tokio::select! {
            Some(result) = attempts.next() => match result {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            },
            () = tokio::time::sleep(NEXT_ADDRESS_AFTER), if more_to_come => {}
        }
    }
}

async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_nodelay(true)?;
    let options = SockRef::from(&socket);
    options.set_tcp_keepalive(
        &TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE).with_retries(KEEPALIVE_PROBES),
    )?;
    #[cfg(target_os = "linux")]
    options.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))?;
    socket.connect(address).await
}

async fn unix(path: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(path).await
}

/// Why no connection could be made. Names the address, which the caller chose and which is no secret.
#[derive(Clone, Debug)]
pub(crate) struct ConnectError {
    address: String,
    error: Arc<io::Error>,
}

impl ConnectError {
    /// The attempt ended with the runtime that it ran on.
    pub(crate) fn interrupted(address: &Address) -> Self {
        let error = io::Error::new(io::ErrorKind::Interrupted, "the runtime that was connecting has ended");
        Self { address: address.to_string(), error: Arc::new(error) }
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
