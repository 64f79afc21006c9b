//! A connection to a backend, and the place that one call has on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::sync::OwnedSemaphorePermit;

use super::kind::Kind;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) send: SendRequest<Bytes>,
    pub(super) streams: AtomicUsize,
    pub(super) closed: AtomicBool,
}

impl Connection {
    /// Whether the backend and we allow a call more on it.
    pub(super) fn has_room(&self, kind: Kind) -> bool {
        let streams = self.streams.load(Ordering::Relaxed);
        streams < kind.streams_max() && streams < self.send.current_max_send_streams()
    }
}

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
    /// One more call on a connection.
    pub(super) fn on(connection: Arc<Connection>, permit: OwnedSemaphorePermit) -> Self {
        connection.streams.fetch_add(1, Ordering::Relaxed);
        Self { send: connection.send.clone(), connection, _permit: permit }
    }

    /// Takes no further calls to this connection: it refused one.
    pub fn retire(&self) {
        self.connection.closed.store(true, Ordering::Relaxed);
    }
}

/// Why no connection can be had.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub(super) String);
