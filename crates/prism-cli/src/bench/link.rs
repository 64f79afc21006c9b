//! One connection to the server, shared by its streams, and made again when it is lost.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use prism_net::address::Address;
use prism_net::dial;
use prism_net::stream::Stream;
use prism_proto::limits;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;

/// What the server may send ahead on one stream. Answers are read as they come; it only must not be what limits a scan.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;

/// A lost connection is made again at most ten times a second.
pub(super) const REDIAL_AFTER: Duration = Duration::from_millis(100);

/// A connection, whether it is up or not.
#[derive(Debug)]
pub(super) struct Link {
    address: Address,
    streams: usize,
    timeout: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    send: SendRequest<Bytes>,
    /// Counts the connections that were made.
    generation: u64,
    dialled: Instant,
}

/// A stream's handle on a connection.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) send: SendRequest<Bytes>,
    generation: u64,
}

impl Link {
    /// Connects, for so many streams.
    pub(super) async fn connect(address: Address, streams: usize, timeout: Duration) -> io::Result<Self> {
        let send = dial(&address, streams, timeout).await?;
        let state = Mutex::new(State { send, generation: 0, dialled: Instant::now() });
        Ok(Self { address, streams, timeout, state })
    }

    /// A handle on the connection as it is.
    pub(super) async fn place(&self) -> Place {
        self.state.lock().await.place()
    }

    /// A handle on a connection that is not the one that was lost: another stream's, or a new one.
    pub(super) async fn replace(&self, lost: &Place) -> io::Result<Place> {
        let mut state = self.state.lock().await;
        if state.generation == lost.generation {
            if state.dialled.elapsed() < REDIAL_AFTER {
                return Err(io::ErrorKind::NotConnected.into());
            }
            let dialled = dial(&self.address, self.streams, self.timeout).await;
            state.dialled = Instant::now();
            state.send = dialled?;
            state.generation += 1;
        }
        Ok(state.place())
    }
}

impl State {
    fn place(&self) -> Place {
        Place { send: self.send.clone(), generation: self.generation }
    }
}

async fn dial(address: &Address, streams: usize, timeout: Duration) -> io::Result<SendRequest<Bytes>> {
    match dial::dial(address, timeout).await? {
        Stream::Tcp(stream) => shake_hands(stream, streams).await,
        Stream::Unix(stream) => shake_hands(stream, streams).await,
    }
}

async fn shake_hands<S>(stream: S, streams: usize) -> io::Result<SendRequest<Bytes>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // All streams' windows, 1 GiB at most, so that no stream waits for another's reader.
    let connection_window_bytes = u32::try_from(streams).unwrap_or(1).saturating_mul(STREAM_WINDOW_BYTES);
    let (send, driver) = Builder::new()
        .enable_push(false)
        .max_frame_size(limits::FRAME_BYTES_MAX)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(connection_window_bytes)
        .initial_max_send_streams(streams)
        .max_concurrent_reset_streams(streams)
        .handshake(stream)
        .await
        .map_err(io::Error::other)?;
    // It ends with the connection; the calls that were on it tell why.
    tokio::spawn(driver);
    Ok(send)
}
