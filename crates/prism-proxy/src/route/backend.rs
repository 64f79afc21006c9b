//! What serves namespaces: a backend in this process, or one behind connections, and the state of those.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use prism_net::tls::client::Connector;
use prism_plugin::driver::State;

use super::discovered::Discovered;
use super::embedded::Embedded;
use crate::endpoint::Endpoint;

/// What serves a namespace.
#[derive(Clone)]
pub enum Backend {
    /// A backend in this process.
    Embedded(Arc<Embedded>),
    /// A plugin behind a connection.
    Remote(Arc<Remote>),
}

impl Backend {
    /// Whether it can serve.
    #[must_use]
    pub fn state(&self) -> State {
        match self {
            Self::Embedded(embedded) => embedded.state(),
            Self::Remote(remote) => remote.state(),
        }
    }

    /// Where it is in memory: namespaces that share a backend have the same.
    pub(crate) fn address(&self) -> usize {
        match self {
            Self::Embedded(embedded) => Arc::as_ptr(embedded).addr(),
            Self::Remote(remote) => Arc::as_ptr(remote).addr(),
        }
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(embedded) => write!(f, "{embedded:?}"),
            Self::Remote(remote) => write!(f, "Remote({})", remote.endpoint),
        }
    }
}

/// A plugin behind connections; each worker has its own.
#[derive(Debug)]
pub struct Remote {
    /// Where it is.
    pub endpoint: Endpoint,
    /// How to connect with TLS; `None` for plaintext.
    pub tls: Option<Connector>,
    /// What its reflection reported.
    pub discovered: Discovered,
    /// Open connections, of all workers.
    open: AtomicUsize,
    connects_made: AtomicU64,
    connects_failed: AtomicU64,
    retries: AtomicU64,
    slots_waited_for: AtomicU64,
    slots_refused: AtomicU64,
    /// Why the last attempts to connect failed.
    failing: ArcSwapOption<Failing>,
}

/// Why a backend cannot be reached.
#[derive(Clone, Debug)]
struct Failing {
    /// The error of the last attempt.
    error: String,
    /// When attempts started to fail.
    since: SystemTime,
}

/// The counters of a backend's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteCounts {
    /// Open connections.
    pub open: u64,
    /// Attempts to connect that succeeded.
    pub connects_made: u64,
    /// Attempts to connect that failed.
    pub connects_failed: u64,
    /// Calls that were retried.
    pub retries: u64,
    /// Unary calls that waited for a slot.
    pub slots_waited_for: u64,
    /// Streams that were refused a slot.
    pub slots_refused: u64,
}

impl Remote {
    pub(super) fn new(endpoint: Endpoint, tls: Option<Connector>) -> Self {
        Self {
            endpoint,
            tls,
            discovered: Discovered::default(),
            open: AtomicUsize::new(0),
            connects_made: AtomicU64::new(0),
            connects_failed: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            slots_waited_for: AtomicU64::new(0),
            slots_refused: AtomicU64::new(0),
            failing: ArcSwapOption::empty(),
        }
    }

    /// The current state, judged by the proxy's own connections: idle if no connection is open, because nobody has
    /// called yet or the last one was lost; unreachable if attempts to connect fail.
    pub fn state(&self) -> State {
        if self.open.load(Ordering::Relaxed) > 0 {
            return State::Ready;
        }
        let failing = self.failing.load();
        failing.as_ref().map_or(State::Idle, |failing| State::Unreachable {
            error: failing.error.clone(),
            since: failing.since,
        })
    }

    /// The counters of its connections.
    pub fn counts(&self) -> RemoteCounts {
        RemoteCounts {
            open: self.open.load(Ordering::Relaxed) as u64,
            connects_made: self.connects_made.load(Ordering::Relaxed),
            connects_failed: self.connects_failed.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
            slots_waited_for: self.slots_waited_for.load(Ordering::Relaxed),
            slots_refused: self.slots_refused.load(Ordering::Relaxed),
        }
    }

    /// Counts a call that is retried.
    pub(crate) fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a unary call that waits for a slot, because its client or its namespace has used up its share.
    pub(crate) fn slot_waited_for(&self) {
        self.slots_waited_for.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a refused stream, because its client or its namespace has used up its share of slots.
    pub(crate) fn slot_refused(&self) {
        self.slots_refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a failed connection attempt.
    pub(crate) fn connect_failed(&self) {
        self.connects_failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a new connection.
    pub(crate) fn connected(&self) {
        self.connects_made.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        self.failing.store(None);
    }

    /// Counts a connection that has ended.
    pub(crate) fn disconnected(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Records that connection attempts fail.
    pub(crate) fn unreachable(&self, error: &str) {
        let since = self.failing.load().as_ref().map_or_else(SystemTime::now, |failing| failing.since);
        self.failing.store(Some(Arc::new(Failing { error: error.to_owned(), since })));
    }
}
