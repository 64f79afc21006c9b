//! Queues that lose nothing: values under a lease.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prism_proto::interfaces::list::{
    AckRequest, End, ExtendRequest, ReleaseRequest, ReserveRequest, ReserveResponse, ReservedValue,
};
use prism_proto::limits::WAIT_MAX;

use crate::call::Call;
use crate::error::Error;
use crate::metadata::Own;
use crate::method::{Ack, Extend, Release, Reserve, operation_of};
use crate::shared::Shared;

/// How long values stay reserved unless [`ReserveCall::lease`] says otherwise.
const LEASE_DEFAULT: Duration = Duration::from_secs(30);

/// A call that reserves values when awaited: see [`List::reserve`](crate::List::reserve).
#[must_use = "a call does nothing until it is awaited"]
pub struct ReserveCall {
    shared: Arc<Shared>,
    request: ReserveRequest,
    wait: Duration,
    metadata: Own,
    timeout: Duration,
}

/// Values that are reserved, until they are [acknowledged](Lease::ack), [released](Lease::release), or the lease ends.
///
/// Dropping it does nothing: the values return to their list when the lease ends.
#[derive(Clone)]
pub struct Lease {
    shared: Arc<Shared>,
    namespace: String,
    list_key: String,
    lease: Bytes,
    values: Vec<Reserved>,
}

/// A reserved value.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reserved {
    /// The value.
    pub value: Bytes,
    /// How often it has been delivered, this time included.
    pub deliveries: u32,
}

impl ReserveCall {
    pub(crate) fn new(shared: &Arc<Shared>, namespace: String, list_key: String) -> Self {
        let request = ReserveRequest {
            namespace,
            list_key,
            end: End::Left.into(),
            count: 1,
            lease_millis: millis(LEASE_DEFAULT),
            ..ReserveRequest::default()
        };
        let (timeout, metadata) = (shared.timeout, Own::default());
        Self { shared: shared.clone(), request, wait: Duration::ZERO, metadata, timeout }
    }

    /// The maximum number of values, 1 to 1,000. Default 1.
    pub fn count(mut self, count: usize) -> Self {
        self.request.count = i64::try_from(count).unwrap_or(i64::MAX);
        self
    }

    /// How long the values stay reserved: 1 ms to 12 hours. Default 30 s.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.request.lease_millis = millis(lease);
        self
    }

    /// How long to wait for a first value if the list is empty: at most 5 minutes, besides the timeout of the call. Default: not at
    /// all. A server that drains ends the wait early.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Takes the values from the right end (the tail) instead of the left.
    pub fn from_right(mut self) -> Self {
        self.request.end = End::Right.into();
        self
    }

    /// Moves values that have been delivered `max` times, at least 1, to the right end of another list instead of delivering them again.
    pub fn max_deliveries(mut self, max: u32, dead_letter_list_key: impl Into<String>) -> Self {
        self.request.max_deliveries = Some(i32::try_from(max).unwrap_or(i32::MAX));
        self.request.dead_letter_list_key = dead_letter_list_key.into();
        self
    }

    /// The timeout of the call, retries included, besides what it waits for values. Default: the client's, 2 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Metadata sent with this call, as with [`Call::metadata`].
    pub fn metadata(mut self, name: &str, value: &str) -> Self {
        self.metadata.insert(name, value);
        self
    }

    /// Makes the call, as awaiting it does, but without boxing the future. `None`: there were no values.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` / `LIMIT_INVALID`, `BATCH_TOO_LARGE`, `LEASE_INVALID` or `WAIT_INVALID`; `FailedPrecondition` / `CROSS_SLOT` on a
    /// cluster; `ResourceExhausted` / `MEMORY_LIMIT` if the backend has no room for the lease. [`Call`] lists the others.
    pub async fn send(self) -> Result<Option<Lease>, Error> {
        let Self { shared, mut request, wait, metadata, timeout } = self;
        if wait > WAIT_MAX {
            return Err(Error::wait(operation_of::<Reserve>(), wait, WAIT_MAX));
        }
        request.wait_millis = millis(wait);
        let (namespace, list_key) = (request.namespace.clone(), request.list_key.clone());
        let call: Call<Reserve> = Call::new(&shared, request).timeout(timeout.saturating_add(wait));
        let ReserveResponse { lease, values } = call.with_own(metadata).send().await?;
        let value = |ReservedValue { value, deliveries }| Reserved {
            value,
            deliveries: deliveries.max(0).unsigned_abs(),
        };
        let values: Vec<_> = values.into_iter().map(value).collect();
        Ok((!values.is_empty()).then_some(Lease { shared, namespace, list_key, lease, values }))
    }
}

impl IntoFuture for ReserveCall {
    type Output = Result<Option<Lease>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl Lease {
    pub(crate) fn named(shared: &Arc<Shared>, namespace: String, list_key: String, lease: Bytes) -> Self {
        Self { shared: shared.clone(), namespace, list_key, lease, values: Vec::new() }
    }

    /// What names the lease, of at most 64 bytes: [`List::lease`](crate::List::lease) finds it again, also in another process.
    #[must_use]
    pub fn token(&self) -> &Bytes {
        &self.lease
    }

    /// The values, in the order in which single pops would have returned them: at least one, or none if the lease was named by its token.
    #[must_use]
    pub fn values(&self) -> &[Reserved] {
        &self.values
    }

    /// Removes the values for good, and returns how many.
    ///
    /// # Errors
    ///
    /// `NotFound` / `LEASE_ENDED` if the lease has ended: the values may be delivered again.
    pub fn ack(&self) -> Call<Ack> {
        let Self { shared, namespace, list_key, lease, .. } = self.clone();
        Call::new(&shared, AckRequest { namespace, list_key, lease })
    }

    /// Lets the lease end after `duration` from now: 1 ms to 12 hours.
    ///
    /// # Errors
    ///
    /// As [`ack`](Self::ack), and `InvalidArgument` / `LEASE_INVALID`.
    pub fn extend(&self, duration: Duration) -> Call<Extend> {
        let Self { shared, namespace, list_key, lease, .. } = self.clone();
        let lease_millis = millis(duration);
        Call::new(&shared, ExtendRequest { namespace, list_key, lease, lease_millis })
    }

    /// Returns the values to the list at once, and returns how many.
    ///
    /// # Errors
    ///
    /// As [`ack`](Self::ack).
    pub fn release(&self) -> Call<Release> {
        let Self { shared, namespace, list_key, lease, .. } = self.clone();
        Call::new(&shared, ReleaseRequest { namespace, list_key, lease })
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Shows neither list nor values.
impl fmt::Debug for ReserveCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReserveCall").field("count", &self.request.count).finish_non_exhaustive()
    }
}

/// Shows neither list nor values.
impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("values", &self.values.len()).finish_non_exhaustive()
    }
}

/// Does not show the value.
impl fmt::Debug for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, deliveries } = self;
        f.debug_struct("Reserved").field("bytes", &value.len()).field("deliveries", deliveries).finish()
    }
}
