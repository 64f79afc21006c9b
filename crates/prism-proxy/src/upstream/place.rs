//! A connection to a backend, and the slot that one call has on it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prism_grpc::slots::Slot;
use prism_http2::client::SendRequest;
use tokio::time::Instant;

use super::kind::Kind;

/// How many calls without a response may be reset on a connection per second. Stock HTTP/2 servers close a connection
/// with more than some twenty such resets, and with it everybody's calls.
const RESETS_PER_SECOND: usize = 10;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) send: SendRequest,
    pub(super) streams: AtomicUsize,
    pub(super) closed: AtomicBool,
    resets: Mutex<Resets>,
}

/// The resets of the current second.
#[derive(Debug)]
struct Resets {
    since: Instant,
    count: usize,
}

impl Connection {
    pub(super) fn new(send: SendRequest) -> Arc<Self> {
        let resets = Mutex::new(Resets { since: Instant::now(), count: 0 });
        Arc::new(Self { send, streams: AtomicUsize::new(0), closed: AtomicBool::new(false), resets })
    }

    /// Whether the backend and this proxy allow another call on it.
    pub(super) fn has_room(&self, kind: Kind) -> bool {
        let streams = self.streams.load(Ordering::Relaxed);
        streams < kind.streams_max() && streams < self.send.current_max_send_streams()
    }

    fn may_reset(&self) -> bool {
        let now = Instant::now();
        let mut resets = self.resets.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(resets.since) >= Duration::from_secs(1) {
            *resets = Resets { since: now, count: 0 };
        }
        resets.count += 1;
        resets.count <= RESETS_PER_SECOND
    }
}

/// The slots of one call: of its client's connection, its namespace, and the link.
pub(super) type CallSlots = [Slot; 3];

/// One call's slot on a connection. Wait for `send` to be ready before use.
#[derive(Debug)]
pub struct Place {
    /// Where to send the call.
    pub send: SendRequest,
    connection: Arc<Connection>,
    _slots: CallSlots,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connection.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Place {
    /// Adds a call to a connection.
    pub(super) fn on(connection: Arc<Connection>, slots: CallSlots) -> Self {
        connection.streams.fetch_add(1, Ordering::Relaxed);
        Self { send: connection.send.clone(), connection, _slots: slots }
    }

    /// Assigns no further calls to this connection: it refused one.
    pub fn retire(&self) {
        self.connection.closed.store(true, Ordering::Relaxed);
    }

    /// Whether a call without a response may be reset; counts as one reset.
    #[must_use]
    pub fn may_reset(&self) -> bool {
        self.connection.may_reset()
    }
}

/// Why there is no slot. The backend has seen nothing.
#[derive(Clone, Debug)]
pub enum NoPlace {
    /// No connection can be made.
    Unreachable(Unreachable),
    /// A share is used up.
    Full(Full),
}

/// Why no connection can be made.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub(super) String);

/// Whose share of the slots is used up, and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// That of the client's connection.
    Connection(usize),
    /// That of the namespace.
    Namespace(usize),
}
