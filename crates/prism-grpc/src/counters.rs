//! Plain counters of connections and calls, for metrics.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// What the workers of a server count. All accesses are relaxed: they order nothing.
#[derive(Debug, Default)]
pub struct Counters {
    /// Open connections.
    pub connections: AtomicI64,
    /// Connections accepted since the start.
    pub connections_total: AtomicU64,
    /// Connections closed at once, because their address had used up its share.
    pub connections_refused_total: AtomicU64,
    /// Connections, and calls that `calls_total` leaves out: together they number everything that arrives.
    pub arrivals: AtomicU64,
    /// Calls in flight.
    pub in_flight: AtomicI64,
    /// Calls started since the start.
    pub calls_total: AtomicU64,
    /// Calls refused because too many were in flight.
    pub calls_refused_total: AtomicU64,
    /// Connections closed because their client reset too many calls.
    pub resets_closed_total: AtomicU64,
    /// Connections closed because their client spoke TLS on a port without it.
    pub tls_on_plaintext_total: AtomicU64,
    /// Connections evicted to make room for another.
    pub evicted_total: AtomicU64,
}

impl Counters {
    /// Counts a call, and numbers it among everything that has arrived.
    pub(crate) fn number_call(&self) -> u64 {
        self.calls_total.fetch_add(1, Relaxed) + 1 + self.arrivals.load(Relaxed)
    }

    /// Numbers a connection, or an uncounted call, among everything that has arrived.
    pub(crate) fn number_arrival(&self) -> u64 {
        self.arrivals.fetch_add(1, Relaxed) + 1 + self.calls_total.load(Relaxed)
    }
}
