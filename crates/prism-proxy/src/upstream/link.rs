//! One worker's connections of one kind to one backend.
//!
//! ```text
//! idle ──call──▶ connecting ──SETTINGS──▶ up
//!                   │   ▲                   │ last connection lost, next call
//!    failed, or lost│   └───────────────────┘
//!    at once: twice ▼
//!                 down: calls fail at once; retried in the background, with backoff
//! ```

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use prism_grpc::slots::{Slot, Slots};
use prism_net::tls::client::Connector;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::dial;
use super::kind::Kind;
use super::place::{Connection, Place, Unreachable};
use crate::endpoint::Endpoint;
use crate::route::Remote;

/// The pause before the first attempt is repeated: a plugin that restarts is often back at once.
const FIRST_RETRY: Duration = Duration::from_millis(20);

/// Further attempts wait 50 ms, doubling to 1 s, each ±50 %: a backend that comes back is found within 1.5 s.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// A connection that is lost sooner than this after it came up counts as failed.
const SHORT_LIVED: Duration = Duration::from_secs(1);

/// One worker's connections of one kind to one backend.
#[derive(Debug)]
pub(super) struct Link {
    this: Weak<Link>,
    remote: Weak<Remote>,
    endpoint: Endpoint,
    tls: Option<Connector>,
    kind: Kind,
    state: Mutex<State>,
    /// When the last connection came up.
    up_since: Mutex<Option<Instant>>,
    /// Consecutive connections that were lost soon after they came up.
    short_lived: AtomicU32,
    /// Signalled after each change of the state.
    changed: Arc<Notify>,
    /// One slot for each call that the connections can carry.
    slots: Arc<Slots>,
}

#[derive(Debug)]
enum State {
    Idle,
    /// A first attempt is in progress; calls wait for it.
    Connecting,
    Up {
        connections: Vec<Arc<Connection>>,
        /// Whether another connection is being made because all are full; meanwhile calls share the existing ones.
        growing: bool,
    },
    /// Attempts continue in the background; calls fail with the last one's error.
    Down(Unreachable),
}

impl Link {
    pub(super) fn new(remote: &Arc<Remote>, kind: Kind) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            remote: Arc::downgrade(remote),
            endpoint: remote.endpoint.clone(),
            tls: remote.tls.clone(),
            kind,
            state: Mutex::new(State::Idle),
            up_since: Mutex::new(None),
            short_lived: AtomicU32::new(0),
            changed: Arc::default(),
            slots: Slots::new(kind.whole()),
        })
    }

    /// Whether a table still routes to the backend.
    pub(super) fn is_used(&self) -> bool {
        self.remote.strong_count() > 0
    }

    /// A slot for one call that its client and namespace allow, if one is free now.
    pub(super) fn free_place(&self, [client, namespace]: [Slot; 2]) -> Option<Place> {
        let slot = self.slots.try_take()?;
        let connection = self.pick().ok()??;
        Some(Place::on(connection, [client, namespace, slot]))
    }

    /// The same, waiting for a free slot.
    pub(super) async fn place(&self, [client, namespace]: [Slot; 2]) -> Result<Place, Unreachable> {
        let slot = self.slots.take().await;
        loop {
            let changed = self.changed.notified();
            match self.pick()? {
                Some(connection) => return Ok(Place::on(connection, [client, namespace, slot])),
                None => changed.await,
            }
        }
    }

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
                // The oldest one with room: the more calls share a connection, the more are written with each system
                // call. The next burst reuses the connections that a burst has added.
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

    /// Connects; after two failures the link is down until an attempt succeeds or no table routes to it any more. A
    /// connection that was lost soon after it came up counts as a failure.
    async fn connect_until_up(self: Arc<Self>) {
        let mut failures = self.count_short_lived();
        if failures > 0 {
            self.note_failures(failures, "connections are lost as soon as they are made");
            tokio::time::sleep(backoff(failures)).await;
        }
        while self.is_used() {
            match self.connect().await {
                Ok(connection) => {
                    if failures > 1 {
                        tracing::info!(backend = %self.endpoint, "the backend is reachable");
                    }
                    *locked(&self.up_since) = Some(Instant::now());
                    self.set(State::Up { connections: vec![connection], growing: false });
                    return;
                }
                Err(error) => {
                    failures += 1;
                    self.note_failures(failures, &error.to_string());
                }
            }
            tokio::time::sleep(backoff(failures)).await;
        }
        self.set(State::Idle);
    }

    /// How many consecutive connections were lost within [`SHORT_LIVED`] of coming up.
    fn count_short_lived(&self) -> u32 {
        let was_short = locked(&self.up_since).take().is_some_and(|since| since.elapsed() < SHORT_LIVED);
        let count = if was_short { self.short_lived.load(Ordering::Relaxed) + 1 } else { 0 };
        self.short_lived.store(count, Ordering::Relaxed);
        count
    }

    fn note_failures(&self, failures: u32, why: &str) {
        if failures == 2 {
            tracing::warn!(backend = %self.endpoint, error = why, "the backend cannot be reached");
        }
        if failures >= 2 {
            if let Some(remote) = self.remote.upgrade() {
                remote.unreachable(why);
            }
            self.set(State::Down(Unreachable(why.to_owned())));
        }
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
                    tracing::warn!(backend = %self.endpoint, %error, "cannot make another connection to the backend")
                }
            }
        }
    }

    fn set(&self, state: State) {
        *locked(&self.state) = state;
        self.changed.notify_waiters();
    }

    async fn connect(&self) -> io::Result<Arc<Connection>> {
        let Self { endpoint, tls, kind, remote, changed, .. } = self;
        let connected = dial::connect(endpoint, tls.as_ref(), *kind, remote, changed).await;
        if connected.is_err()
            && let Some(remote) = self.remote.upgrade()
        {
            remote.connect_failed();
        }
        connected
    }
}

fn backoff(failures: u32) -> Duration {
    if failures <= 1 {
        return FIRST_RETRY;
    }
    let base = BACKOFF_MIN.saturating_mul(1 << (failures - 2).min(10)).min(BACKOFF_MAX);
    base.mul_f64(fastrand::f64() + 0.5)
}

/// No caller's code runs under the lock, so a panic cannot leave it in an inconsistent state.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
