//! What all workers of a proxy share.

use std::sync::Arc;

use arc_swap::ArcSwap;
use prism_grpc::message::Budget;
use prism_proto::limits;

use crate::access::AccessLog;
use crate::route::RouteTable;
use crate::traffic::Unrouted;

/// Bytes of incomplete first messages that the process holds at once: 64 of the largest.
const BUDGET_BYTES: usize = 64 * limits::MESSAGE_BYTES_MAX;

/// What all workers of a proxy share.
#[derive(Debug)]
pub struct Shared {
    /// The routes in force.
    pub table: ArcSwap<RouteTable>,
    pub(crate) unrouted: Unrouted,
    pub(crate) access_log: AccessLog,
    pub(crate) budget: Budget,
}

impl Shared {
    /// Begins with a table.
    #[must_use]
    pub fn new(table: RouteTable, access_log: AccessLog) -> Arc<Self> {
        Arc::new(Self {
            table: ArcSwap::from_pointee(table),
            unrouted: Unrouted::default(),
            access_log,
            budget: Budget::new(BUDGET_BYTES),
        })
    }
}
