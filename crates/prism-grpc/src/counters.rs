//! Plain counters of connections and calls, for whoever shows them.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// What the workers of a server count. All are read and written relaxed: they order nothing.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections open now.
    pub connections: AtomicI64,
    /// Connections accepted since the start.
    pub connections_total: AtomicU64,
    /// Connections closed at once, since their address had its share of them.
    pub connections_refused_total: AtomicU64,
    /// Connections, and calls that `calls_total` leaves out: together they number all that arrives.
    pub arrivals: AtomicU64,
    /// Calls under way now.
    pub in_flight: AtomicI64,
    /// Calls begun since the start.
    pub calls_total: AtomicU64,
    /// Calls refused because too many were under way.
    pub calls_refused_total: AtomicU64,
    /// Connections closed because their clients reset too many calls.
    pub resets_closed_total: AtomicU64,
    /// Connections asked to leave, since another wanted their place.
    pub evicted_total: AtomicU64,
}

impl Counters {
    /// Counts a call, and numbers it among all that has arrived.
    pub(crate) fn number_call(&self) -> u64 {
        self.calls_total.fetch_add(1, Relaxed) + 1 + self.arrivals.load(Relaxed)
    }

    /// Numbers a connection, or a call that is not counted, among all that has arrived.
    pub(crate) fn number_arrival(&self) -> u64 {
        self.arrivals.fetch_add(1, Relaxed) + 1 + self.calls_total.load(Relaxed)
    }
}
