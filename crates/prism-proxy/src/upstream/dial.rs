//! Makes one connection to a backend and drives it. It is up once the backend's SETTINGS have arrived: the server
//! speaks HTTP/2, and has said how many calls it accepts.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use prism_http2::client::{Config, connect as begin};
use prism_net::address::Address;
use prism_net::dial;
use prism_net::stream::Stream;
use prism_net::tls::client::Connector;
use prism_proto::limits;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::discovery;
use super::kind::Kind;
use super::place::Connection;
use crate::endpoint::Endpoint;
use crate::route::Remote;

/// How long resolving, connecting and the handshake may take in total.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// The largest headers, or trailers, of a backend's response, counted as HTTP/2 counts them: 32 bytes more for each.
const HEADERS_BYTES_MAX: u32 = 64 * 1024;

/// Connects to a backend, with TLS if there is a connector. The end of the connection is recorded in it and signalled to
/// `changed`.
pub(super) async fn connect(
    endpoint: &Endpoint,
    tls: Option<&Connector>,
    kind: Kind,
    remote: &Weak<Remote>,
    changed: &Arc<Notify>,
) -> io::Result<Arc<Connection>> {
    let address = match endpoint {
        Endpoint::Tcp(authority) => Address::Tcp(authority.to_string()),
        Endpoint::Unix(path) => Address::Unix(path.clone()),
        Endpoint::Embedded(_) => return Err(io::Error::other("an embedded plugin has no connection")),
    };
    let connected = async {
        let stream = match tls {
            None => dial::dial(&address, CONNECT_MAX).await?,
            Some(connector) => dial::dial_tls(&address, connector, CONNECT_MAX).await?,
        };
        match stream {
            Stream::Tcp(stream) => shake_hands(stream, kind, remote, changed).await,
            Stream::Unix(stream) => shake_hands(stream, kind, remote, changed).await,
            Stream::Tls(stream) => shake_hands(stream, kind, remote, changed).await,
        }
    };
    timeout(CONNECT_MAX, connected).await.unwrap_or_else(|_| {
        let why = format!("the backend did not send its HTTP/2 SETTINGS within {} s", CONNECT_MAX.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, why))
    })
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
    let (send, mut driver) = begin(
        stream,
        Config {
            frame_bytes_max: limits::FRAME_BYTES_MAX,
            stream_window_bytes: kind.stream_window_bytes(),
            connection_window_bytes: kind.connection_window_bytes(),
            headers_bytes_max: HEADERS_BYTES_MAX,
            initial_streams_max: 0,
            ..Config::default()
        },
    );
    let settings = poll_fn(|cx| match Pin::new(&mut driver).poll(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        Poll::Ready(Err(error)) => Poll::Ready(Err(io::Error::other(error))),
        Poll::Pending if send.current_max_send_streams() > 0 => Poll::Ready(Ok(())),
        Poll::Pending => Poll::Pending,
    });
    settings.await?;
    let connection = Connection::new(send);
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
