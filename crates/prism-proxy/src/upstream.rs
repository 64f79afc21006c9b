//! Connections to backends, one set for each worker.
//!
//! Unary calls and streams use separate connections: what a slow reader leaves unread holds the window of its whole
//! connection, and would freeze every unary call on it. A link is one such set:
//!
//! ```text
//! idle ──call──▶ connecting ──ok──▶ up
//!                   │   ▲            │ last connection lost, next call
//!           refused │   └────────────┘
//!                   ▼
//!                 down: calls fail at once; retried in the background, with backoff
//! ```

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use prism_proto::limits;
use prism_runtime::listen::set_tcp_options;
use rustc_hash::FxHashMap;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::discovery;
use crate::endpoint::Endpoint;
use crate::route::Remote;

/// Resolving, connecting and shaking hands with one address may take this long.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// The pause before a first attempt is repeated: a plugin that restarts is often back at once.
const FIRST_RETRY: Duration = Duration::from_millis(20);

/// Further attempts wait 50 ms, doubling to 1 s, each ±50 %: a backend that comes back is found within 1.5 s.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// How often connections to backends are looked for that the configuration no longer names.
const UNUSED_CHECK: Duration = Duration::from_secs(1);

/// What differs between the links for unary calls and for streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One message each way: the answers are read at once.
    Unary,
    /// Anything else: a slow client leaves its answers unread.
    Streaming,
}

impl Kind {
    /// Calls at once on one connection.
    const fn streams_max(self) -> usize {
        match self {
            Self::Unary => 256,
            Self::Streaming => 32,
        }
    }

    /// Connections of one link.
    const fn connections_max(self) -> usize {
        match self {
            Self::Unary => 8,
            Self::Streaming => 32,
        }
    }

    /// What the backend may send ahead on one stream: enough to keep a stream busy while the client reads.
    const fn stream_window_bytes(self) -> u32 {
        match self {
            Self::Unary => 256 * 1024,
            Self::Streaming => 512 * 1024,
        }
    }

    /// What it may send ahead on the connection: all streams' windows (64 MiB and 16 MiB), so that no stream waits
    /// for another's reader.
    const fn connection_window_bytes(self) -> u32 {
        self.stream_window_bytes() * self.streams_max() as u32
    }
}

/// One worker's connections to all backends.
#[derive(Clone, Debug, Default)]
pub struct Upstreams {
    links: Arc<Mutex<Links>>,
}

/// By the address of the [`Remote`], which stays its own while a link points to it, weakly or not.
type Links = FxHashMap<(usize, Kind), Arc<Link>>;

/// A place on a connection, for one call. Wait for `send` to be ready before use.
#[derive(Debug)]
pub struct Place {
    /// Where to send the call.
    pub send: SendRequest<Bytes>,
    connection: Arc<Connection>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connection.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Place {
    /// Takes no further calls to this connection: it refused one.
    pub fn retire(&self) {
        self.connection.closed.store(true, Ordering::Relaxed);
    }
}

/// Why no connection can be had.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(String);

impl Upstreams {
    /// A place on a connection to a backend, which is made if need be. While the backend is down, fails at once.
    ///
    /// # Errors
    /// [`Unreachable`]; the backend has seen nothing.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it leaves no trace; the connection is made all the same.
    pub async fn place(&self, remote: &Arc<Remote>, kind: Kind) -> Result<Place, Unreachable> {
        let link = self.link(remote, kind);
        let permit = match Arc::clone(&link.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => match Arc::clone(&link.permits).acquire_owned().await {
                Ok(permit) => permit,
                Err(error) => return Err(Unreachable(error.to_string())),
            },
        };
        let connection = loop {
            let changed = link.changed.notified();
            match link.pick()? {
                Some(connection) => break connection,
                None => changed.await,
            }
        };
        connection.streams.fetch_add(1, Ordering::Relaxed);
        Ok(Place { send: connection.send.clone(), connection, _permit: permit })
    }

    /// Closes the connections to backends that nobody routes to any more, once their calls have ended; never ends.
    pub async fn close_unused(self) {
        let mut timer = tokio::time::interval(UNUSED_CHECK);
        loop {
            timer.tick().await;
            locked(&self.links).retain(|_, link| link.remote.strong_count() > 0);
        }
    }

    fn link(&self, remote: &Arc<Remote>, kind: Kind) -> Arc<Link> {
        let mut links = locked(&self.links);
        let key = (Arc::as_ptr(remote).addr(), kind);
        if let Some(link) = links.get(&key) {
            return Arc::clone(link);
        }
        let link = Arc::new_cyclic(|this| Link {
            this: Weak::clone(this),
            remote: Arc::downgrade(remote),
            endpoint: remote.endpoint.clone(),
            kind,
            state: Mutex::new(State::Idle),
            changed: Notify::new(),
            permits: Arc::new(Semaphore::new(kind.streams_max() * kind.connections_max())),
        });
        links.insert(key, Arc::clone(&link));
        link
    }
}

/// One worker's connections of one kind to one backend.
#[derive(Debug)]
struct Link {
    this: Weak<Link>,
    remote: Weak<Remote>,
    endpoint: Endpoint,
    kind: Kind,
    state: Mutex<State>,
    /// Signalled after each change of the state.
    changed: Notify,
    /// One for each call that the connections can carry.
    permits: Arc<Semaphore>,
}

#[derive(Debug)]
enum State {
    Idle,
    /// A first attempt is under way; calls wait for it.
    Connecting,
    Up {
        connections: Vec<Arc<Connection>>,
        /// One more is being made, since all are full; until then calls share those there are.
        growing: bool,
    },
    /// Attempts go on in the background; calls fail with the last one's error.
    Down(Unreachable),
}

#[derive(Debug)]
struct Connection {
    send: SendRequest<Bytes>,
    streams: AtomicUsize,
    closed: AtomicBool,
}

impl Connection {
    /// Whether the backend and we allow a call more on it.
    fn has_room(&self, kind: Kind) -> bool {
        let streams = self.streams.load(Ordering::Relaxed);
        streams < kind.streams_max() && streams < self.send.current_max_send_streams()
    }
}

impl Link {
    /// A connection with room; `None`: wait for a change.
    fn pick(&self) -> Result<Option<Arc<Connection>>, Unreachable> {
        let mut state = locked(&self.state);
        match &mut *state {
            State::Connecting => Ok(None),
            State::Down(error) => Err(error.clone()),
            State::Idle => {
                self.begin_connecting(&mut state);
                Ok(None)
            }
            State::Up { connections, growing } => {
                connections.retain(|connection| !connection.closed.load(Ordering::Relaxed));
                // The oldest with room: the more calls share a connection, the more go with each system call. What a burst
                // has added is used again by the next one.
                if let Some(connection) = connections.iter().find(|connection| connection.has_room(self.kind))
                {
                    return Ok(Some(Arc::clone(connection)));
                }
                let streams = |connection: &&Arc<Connection>| connection.streams.load(Ordering::Relaxed);
                let Some(connection) = connections.iter().min_by_key(streams) else {
                    self.begin_connecting(&mut state);
                    return Ok(None);
                };
                if connections.len() < self.kind.connections_max() && !std::mem::replace(growing, true) {
                    self.spawn(Self::grow);
                }
                Ok(Some(Arc::clone(connection)))
            }
        }
    }

    fn begin_connecting(&self, state: &mut State) {
        *state = State::Connecting;
        self.spawn(Self::connect_until_up);
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, work: impl FnOnce(Arc<Self>) -> F) {
        if let Some(this) = self.this.upgrade() {
            tokio::spawn(work(this));
        }
    }

    /// Connects; after two failures the link is down until an attempt succeeds or nobody routes to it any more.
    async fn connect_until_up(self: Arc<Self>) {
        let mut failures = 0_u32;
        while self.remote.strong_count() > 0 {
            match self.connect().await {
                Ok(connection) => {
                    if failures > 0 {
                        tracing::info!(backend = %self.endpoint, "the backend is reachable");
                    }
                    self.set(State::Up { connections: vec![connection], growing: false });
                    return;
                }
                Err(error) => {
                    failures += 1;
                    if failures == 2 {
                        tracing::warn!(backend = %self.endpoint, %error, "the backend cannot be reached");
                    }
                    if failures >= 2 {
                        if let Some(remote) = self.remote.upgrade() {
                            remote.unreachable(&error.to_string());
                        }
                        self.set(State::Down(Unreachable(error.to_string())));
                    }
                }
            }
            tokio::time::sleep(backoff(failures)).await;
        }
        self.set(State::Idle);
    }

    async fn grow(self: Arc<Self>) {
        let made = self.connect().await;
        if made.is_err() {
            tokio::time::sleep(BACKOFF_MAX).await;
        }
        if let State::Up { connections, growing } = &mut *locked(&self.state) {
            *growing = false;
            match made {
                Ok(connection) => connections.push(connection),
                Err(error) => {
                    tracing::warn!(backend = %self.endpoint, %error, "no further connection to the backend")
                }
            }
        }
    }

    fn set(&self, state: State) {
        *locked(&self.state) = state;
        self.changed.notify_waiters();
    }

    async fn connect(self: &Arc<Self>) -> io::Result<Arc<Connection>> {
        let connected = self.try_connect().await;
        if connected.is_err()
            && let Some(remote) = self.remote.upgrade()
        {
            remote.connect_failed();
        }
        connected
    }

    async fn try_connect(self: &Arc<Self>) -> io::Result<Arc<Connection>> {
        match &self.endpoint {
            Endpoint::Tcp(authority) => {
                let host = authority.host().trim_start_matches('[').trim_end_matches(']');
                let port = authority.port_u16().unwrap_or_default();
                let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
                for address in timely(lookup_host((host, port))).await? {
                    match timely(TcpStream::connect(address)).await {
                        Ok(stream) => {
                            set_tcp_options(&stream)?;
                            return timely(self.shake_hands(stream)).await;
                        }
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
            Endpoint::Unix(path) => {
                let stream = timely(UnixStream::connect(path)).await?;
                timely(self.shake_hands(stream)).await
            }
            Endpoint::Embedded(_) => Err(io::Error::other("an embedded plugin has no connection")),
        }
    }

    async fn shake_hands<S>(self: &Arc<Self>, stream: S) -> io::Result<Arc<Connection>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (send, driver) = Builder::new()
            .enable_push(false)
            .max_frame_size(limits::FRAME_BYTES_MAX)
            .initial_window_size(self.kind.stream_window_bytes())
            .initial_connection_window_size(self.kind.connection_window_bytes())
            .initial_max_send_streams(self.kind.streams_max())
            .handshake(stream)
            .await
            .map_err(io::Error::other)?;
        let connection =
            Arc::new(Connection { send, streams: AtomicUsize::new(0), closed: AtomicBool::new(false) });
        let (driven, link, remote) =
            (Arc::downgrade(&connection), Weak::clone(&self.this), Weak::clone(&self.remote));
        if let Some(remote) = remote.upgrade() {
            remote.connected();
        }
        tokio::spawn(async move {
            let ended = driver.await;
            if let Some(remote) = remote.upgrade() {
                remote.disconnected();
            }
            if let Some(connection) = driven.upgrade() {
                connection.closed.store(true, Ordering::Relaxed);
            }
            if let Some(link) = link.upgrade() {
                tracing::debug!(backend = %link.endpoint, ?ended, "a connection to the backend ended");
                link.changed.notify_waiters();
            }
        });
        if discovery::begins(&self.remote) {
            tokio::spawn(discovery::run(Weak::clone(&self.remote), connection.send.clone()));
        }
        Ok(connection)
    }
}

async fn timely<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(CONNECT_MAX, work).await.unwrap_or_else(|_| {
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no connection within {} s", CONNECT_MAX.as_secs()),
        ))
    })
}

fn backoff(failures: u32) -> Duration {
    if failures <= 1 {
        return FIRST_RETRY;
    }
    let base = BACKOFF_MIN.saturating_mul(1 << (failures - 2).min(10)).min(BACKOFF_MAX);
    base.mul_f64(fastrand::f64() + 0.5)
}

/// The lock guards no user code, so a panic cannot leave it half changed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
