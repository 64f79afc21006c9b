//! Values under leases as a backend implements them.

use std::time::Duration;

use bytes::Bytes;
use prism_grpc::Context;

use super::basic::End;
use crate::error::Error;
use crate::types::{Key, Namespace};

/// Which values a call reserves, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The end at which they are taken.
    pub end: End,
    /// The maximum number of values, 1 to 1,000.
    pub count: usize,
    /// How long they stay reserved.
    pub lease: Duration,
    /// The maximum time to wait for a first value.
    pub wait: Duration,
    /// What happens to values that are delivered often; `None`: they are delivered again.
    pub deliveries: Option<DeliveryLimit>,
}

/// How often a value is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryLimit {
    /// The maximum number of deliveries, at least 1.
    pub max: u32,
    /// The list that takes the values which have been delivered so often. Not the list itself.
    pub dead_letter: Key,
}

/// Values under a lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reserved {
    /// What names the lease, at most 64 bytes, and not empty.
    pub lease: Bytes,
    /// At least one, in the order in which single pops would return them.
    pub values: Vec<ReservedValue>,
}

/// A value that is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservedValue {
    /// The value.
    pub value: Bytes,
    /// How often it has been delivered, this time included.
    pub deliveries: u32,
}

/// A backend whose lists are queues that lose nothing.
///
/// Reserved values are no part of the list. When their lease ends, they return to the end they came from, in their order:
/// together, so that nobody sees some of them without the others. Each call on a list, of whatever trait, first
/// returns the values of leases that have ended; besides, the backend does so within 1 s. A value that has been delivered as
/// often as its lease allows moves to the right end of the dead letter list instead, in the same atomic step, as does one that
/// [`reserve`](Self::reserve) finds to have been delivered as often as it asks for.
/// [`ListRange::clear`](super::ListRange::clear) ends all leases of a list.
pub trait ListReserve: Send + Sync + 'static {
    /// Takes up to `count` values, and no more than fit into a message (see [`Filling`](super::Filling)). Waits for a first value as
    /// [`ListBlocking::blocking_pop`](super::ListBlocking::blocking_pop) does, in the same queue; `None` if none came.
    ///
    /// The future may be dropped while it waits. Values that were reserved already then return, and that was no delivery.
    ///
    /// # Errors
    /// MEMORY_LIMIT if the backend is full, or CROSS_SLOT: the list is unchanged. Otherwise an error of the backend.
    fn reserve(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        reservation: Reservation,
    ) -> impl Future<Output = Result<Option<Reserved>, Error>> + Send;

    /// Removes the values of a lease for good, and returns how many; `None` if there is no such lease of this list.
    ///
    /// # Errors
    /// An error of the backend.
    fn ack(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        lease: Bytes,
    ) -> impl Future<Output = Result<Option<u64>, Error>> + Send;

    /// Lets a lease end `duration` from now, and returns whether there is such a lease of this list.
    ///
    /// # Errors
    /// An error of the backend.
    fn extend(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        lease: Bytes,
        duration: Duration,
    ) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Ends a lease, and returns how many values it had; `None` if there is no such lease of this list.
    ///
    /// # Errors
    /// An error of the backend.
    fn release(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        lease: Bytes,
    ) -> impl Future<Output = Result<Option<u64>, Error>> + Send;
}
