//! One connection to the server, shared by its streams, and reopened when it is lost.

use std::io;
use std::time::{Duration, Instant};

use prism_http2::client::{Config, SendRequest, connect};
use prism_net::stream::Stream;
use prism_proto::limits;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;

use crate::tls::Server;

/// What the server may send ahead on one stream. Responses are read as they arrive; this only must not limit a scan.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;

/// A lost connection is reopened at most ten times a second.
pub(super) const REDIAL_AFTER: Duration = Duration::from_millis(100);

/// A connection, whether it is up or not.
#[derive(Debug)]
pub(super) struct Link {
    server: Server,
    streams: usize,
    timeout: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    send: SendRequest,
    /// Counts the connections made.
    generation: u64,
    dialled: Instant,
}

/// A stream's handle on a connection.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) send: SendRequest,
    generation: u64,
}

impl Link {
    /// Connects, for this many streams.
    pub(super) async fn connect(server: Server, streams: usize, timeout: Duration) -> io::Result<Self> {
        let send = dial(&server, streams, timeout).await?;
        let state = Mutex::new(State { send, generation: 0, dialled: Instant::now() });
        Ok(Self { server, streams, timeout, state })
    }

    /// A handle on the current connection.
    pub(super) async fn place(&self) -> Place {
        self.state.lock().await.place()
    }

    /// A handle on a connection other than the lost one: one that another stream has opened, or a new one.
    pub(super) async fn replace(&self, lost: &Place) -> io::Result<Place> {
        let mut state = self.state.lock().await;
        if state.generation == lost.generation {
            if state.dialled.elapsed() < REDIAL_AFTER {
                return Err(io::ErrorKind::NotConnected.into());
            }
            let dialled = dial(&self.server, self.streams, self.timeout).await;
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

async fn dial(server: &Server, streams: usize, timeout: Duration) -> io::Result<SendRequest> {
    match server.dial(timeout).await? {
        Stream::Tcp(stream) => shake_hands(stream, streams).await,
        Stream::Unix(stream) => shake_hands(stream, streams).await,
        Stream::Tls(stream) => shake_hands(stream, streams).await,
    }
}

async fn shake_hands<S>(stream: S, streams: usize) -> io::Result<SendRequest>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // The windows of all streams, at most 1 GiB, so that no stream waits for another's reader.
    let connection_window_bytes = u32::try_from(streams).unwrap_or(1).saturating_mul(STREAM_WINDOW_BYTES);
    let (send, driver) = connect(
        stream,
        Config {
            frame_bytes_max: limits::FRAME_BYTES_MAX,
            stream_window_bytes: STREAM_WINDOW_BYTES,
            connection_window_bytes,
            initial_streams_max: streams,
            ..Config::default()
        },
    );
    // It ends with the connection; the calls on it report why.
    tokio::spawn(driver);
    Ok(send)
}
