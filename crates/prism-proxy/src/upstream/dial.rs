//! Makes one connection to a backend, up to the end of the HTTP/2 handshake, and drives it.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use h2::client::Builder;
use prism_net::listen::set_tcp_options;
use prism_proto::limits;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::sync::Notify;

use super::discovery;
use super::kind::Kind;
use super::place::Connection;
use crate::endpoint::Endpoint;
use crate::route::Remote;

/// Resolving, connecting and shaking hands with one address may take this long.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// Connects to a backend. When the connection ends, it says so, and `changed` is signalled.
pub(super) async fn dial(
    endpoint: &Endpoint,
    kind: Kind,
    remote: &Weak<Remote>,
    changed: &Arc<Notify>,
) -> io::Result<Arc<Connection>> {
    match endpoint {
        Endpoint::Tcp(authority) => {
            let host = authority.host().trim_start_matches('[').trim_end_matches(']');
            let port = authority.port_u16().unwrap_or_default();
            let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
            for address in timely(lookup_host((host, port))).await? {
                match timely(TcpStream::connect(address)).await {
                    Ok(stream) => {
                        set_tcp_options(&stream)?;
                        return timely(shake_hands(stream, kind, remote, changed)).await;
                    }
                    Err(error) => last = error,
                }
            }
            Err(last)
        }
        Endpoint::Unix(path) => {
            let stream = timely(UnixStream::connect(path)).await?;
            timely(shake_hands(stream, kind, remote, changed)).await
        }
        Endpoint::Embedded(_) => Err(io::Error::other("an embedded plugin has no connection")),
    }
}

async fn shake_hands<S>(
    stream: S,
    kind: Kind,
    remote: &Weak<Remote>,
    changed: &Arc<Notify>,
) -> io::Result<Arc<Connection>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (send, driver) = Builder::new()
        .enable_push(false)
        .max_frame_size(limits::FRAME_BYTES_MAX)
        .initial_window_size(kind.stream_window_bytes())
        .initial_connection_window_size(kind.connection_window_bytes())
        .initial_max_send_streams(kind.streams_max())
        .handshake(stream)
        .await
        .map_err(io::Error::other)?;
    let connection =
        Arc::new(Connection { send, streams: AtomicUsize::new(0), closed: AtomicBool::new(false) });
    if let Some(remote) = remote.upgrade() {
        remote.connected();
    }
    let driven = Arc::downgrade(&connection);
    let (of, changed) = (Weak::clone(remote), Arc::clone(changed));
    tokio::spawn(async move {
        let ended = driver.await;
        if let Some(remote) = of.upgrade() {
            remote.disconnected();
            tracing::debug!(backend = %remote.endpoint, ?ended, "a connection to the backend ended");
        }
        if let Some(connection) = driven.upgrade() {
            connection.closed.store(true, Ordering::Relaxed);
        }
        changed.notify_waiters();
    });
    discovery::begin(remote, &connection.send);
    Ok(connection)
}

async fn timely<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(CONNECT_MAX, work).await.unwrap_or_else(|_| {
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no connection within {} s", CONNECT_MAX.as_secs()),
        ))
    })
}
