//! What all workers of a proxy share.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::access::AccessLog;
use crate::route::RouteTable;
use crate::traffic::Unrouted;

/// What all workers of a proxy share.
#[derive(Debug)]
pub struct Shared {
    /// The routes in force.
    pub table: ArcSwap<RouteTable>,
    pub(crate) unrouted: Unrouted,
    pub(crate) access_log: AccessLog,
    /// The maximum number of calls in flight in one namespace, whatever its settings say.
    pub(crate) namespace_in_flight_max: usize,
}

impl Shared {
    /// Starts with a table.
    #[must_use]
    pub fn new(table: RouteTable, access_log: AccessLog, namespace_in_flight_max: usize) -> Arc<Self> {
        Arc::new(Self {
            table: ArcSwap::from_pointee(table),
            unrouted: Unrouted::default(),
            access_log,
            namespace_in_flight_max,
        })
    }
}
