//! The KeyValue pattern as a backend implements it.

use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;
use prism_grpc::Context;

use crate::capabilities::Capabilities;
use crate::error::Error;
use crate::types::{Key, Namespace, Ttl};

pub use crate::validate::resume_invalid;

/// Pages of a scan, each of one or more items in the order in which they are sent. A page is what the backend reads at
/// a time: some hundred items, so that the scan needs bounded memory and fills its frames.
pub type Pages<T> = Pin<Box<dyn Stream<Item = Result<Page<T>, Error>> + Send>>;

/// A page of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// One or more items.
    pub items: Vec<T>,
    /// The backend's position behind the last item, in its own encoding: what [`Start::Resume`] gets if the scan is
    /// continued there. Ignored unless [`Capabilities::resumable`].
    ///
    /// `None` if the scan cannot be continued behind this item, such as where a limit cut short what was read at a time. A
    /// position of more than 8,174 bytes is too long for a token and counts as `None`.
    pub resume: Option<Bytes>,
}

/// A page behind which the scan cannot be continued.
impl<T> From<Vec<T>> for Page<T> {
    fn from(items: Vec<T>) -> Self {
        Self { items, resume: None }
    }
}

/// The arguments of a scan, already checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The namespace to scan.
    pub namespace: Namespace,
    /// The bytes every key starts with; empty for all keys.
    pub prefix: String,
    /// Where to start.
    pub start: Start,
    /// The maximum number of items to return; `None` for all.
    pub limit: Option<usize>,
}

/// Where a scan starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With the first key.
    #[default]
    Beginning,
    /// After this key: only keys that are greater, byte by byte. Only if [`Capabilities::ordered`].
    After(Key),
    /// At a position that this backend returned as [`Page::resume`] in a scan of the same kind, namespace and prefix, and
    /// in the same [epoch](KeyValue::epoch). Only if [`Capabilities::resumable`].
    ///
    /// Every key that exists throughout both scans must be returned by one of them. If the backend is ordered, none may be
    /// returned by both. A position that cannot be read, as from another version of the backend, gets [`resume_invalid`].
    Resume(Bytes),
}

/// A backend that stores values by key.
///
/// Arguments are already checked against the contract, so an implementation only acts. Reads never create a namespace.
/// An expired key is never returned, counted, scanned or reported as existing. KeyValue and List are separate
/// keyspaces.
///
/// Each call comes with its [`Context`]: who makes it, how much time is left, its trace. The deadline is checked before
/// a call, so a backend that responds at once may ignore it; one that waits should give up when the deadline passes.
///
/// A call's future may be dropped at any `await` when the caller cancels: a write may then have been applied or not,
/// but never in part.
pub trait KeyValue: Send + Sync + 'static {
    /// What this backend promises beyond the interface.
    fn capabilities(&self) -> Capabilities;

    /// A number that changes when the data may have been lost or replaced, such as at each start of an in-memory store;
    /// `None`, the default, if the backend cannot tell.
    ///
    /// It is read before each scan, sent as the header `prism-epoch`, and part of resume tokens. A client that resumes a
    /// scan after a lost connection continues after its last key only if the number is the same, and a resume token with
    /// another number gets SCAN_INTERRUPTED.
    fn epoch(&self) -> Option<u64> {
        None
    }

    /// Names the kind of backend, and whatever tells its data apart from that of others and outlives the process: a
    /// resume token of a backend with another identity gets RESUME_INVALID. Default: empty.
    fn identity(&self) -> &str {
        ""
    }

    /// Stores a value, replacing the key's value and its time to live (`None`: it does not expire).
    ///
    /// # Errors
    /// MEMORY_LIMIT if the backend is full: the key keeps its previous value. Otherwise an error of the backend.
    fn set(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
        value: Bytes,
        ttl: Option<Ttl>,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Returns the value of a key; `None` if it does not exist or has expired.
    ///
    /// # Errors
    /// An error of the backend; a missing key is not one.
    fn get(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
    ) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send;

    /// Removes a key and returns whether it existed.
    ///
    /// # Errors
    /// An error of the backend.
    fn delete(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
    ) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Returns whether a key exists.
    ///
    /// # Errors
    /// An error of the backend.
    fn exists(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
    ) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Returns the live keys of a range with their values. Dropping the stream ends the scan.
    fn scan(&self, context: &Context, range: Range) -> Pages<(Key, Bytes)>;

    /// Returns the live keys of a range. Dropping the stream ends the scan.
    fn scan_keys(&self, context: &Context, range: Range) -> Pages<Key>;

    /// Returns the number of live keys with a prefix.
    ///
    /// # Errors
    /// An error of the backend.
    fn count(
        &self,
        context: &Context,
        namespace: Namespace,
        prefix: String,
    ) -> impl Future<Output = Result<u64, Error>> + Send;
}
