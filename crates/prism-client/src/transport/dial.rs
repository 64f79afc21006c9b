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
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, UnixStream, lookup_host};

use super::windows::Windows;
use crate::address::Address;

/// The sending half of a connection; dropping every clone closes it once its streams are done.
pub(crate) type Sender = http2::SendRequest<tonic::body::Body>;

/// How long an idle connection is quiet before TCP probes it, and how long between probes.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// Unanswered probes until the connection counts as dead: dead after 5 s + 2 × 5 s.
const KEEPALIVE_PROBES: u32 = 2;

/// How long sent data may stay unacknowledged: the same 15 s.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(15);

/// How long one address is tried alone before the next joins in (RFC 8305, section 5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

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
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .adaptive_window(false)
            .initial_stream_window_size(self.windows.stream)
            .initial_connection_window_size(self.windows.connection)
            .max_concurrent_reset_streams(CANCELLED_STREAMS_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection lost");
            }
        });
        Ok(sender)
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
