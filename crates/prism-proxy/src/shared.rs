//! What all workers of a proxy share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use arc_swap::{ArcSwap, Guard};

use crate::access::AccessLog;
use crate::route::RouteTable;
use crate::traffic::{CallerTraffic, Unrouted};

/// What all workers of a proxy share.
#[derive(Debug)]
pub struct Shared {
    table: ArcSwap<RouteTable>,
    /// Whether the table identifies callers: one look at what lies beside the table's address.
    identifies: AtomicBool,
    pub(crate) unrouted: Unrouted,
    pub(crate) callers: CallerTraffic,
    pub(crate) access_log: AccessLog,
    /// The maximum number of calls in flight in one namespace, whatever its settings say.
    pub(crate) namespace_in_flight_max: usize,
}

impl Shared {
    /// Starts with a table.
    #[must_use]
    pub fn new(table: RouteTable, access_log: AccessLog, namespace_in_flight_max: usize) -> Arc<Self> {
        Arc::new(Self {
            identifies: AtomicBool::new(table.gate().authenticator().is_some()),
            table: ArcSwap::from_pointee(table),
            callers: CallerTraffic::default(),
            unrouted: Unrouted::default(),
            access_log,
            namespace_in_flight_max,
        })
    }

    /// The routes in force.
    #[must_use]
    pub fn table(&self) -> Guard<Arc<RouteTable>> {
        self.table.load()
    }

    /// Puts other routes in force.
    pub fn set_table(&self, table: RouteTable) {
        let identifies = table.gate().authenticator().is_some();
        // First the table, so that no call is let through that only the new one would identify: it is asked again when the
        // call's namespace is known.
        self.table.store(Arc::new(table));
        self.identifies.store(identifies, Relaxed);
    }

    /// Whether callers are identified.
    pub(crate) fn identifies(&self) -> bool {
        self.identifies.load(Relaxed)
    }
}
