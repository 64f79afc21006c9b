//! Values by key, and scans, as a backend implements them.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use prism_grpc::Context;

use crate::capabilities::Capabilities;
use crate::error::{Error, ErrorReason};
use crate::types::{Key, Namespace, Ttl};

/// Pages of a scan, each of one or more items in the order in which they are sent. A page is what the backend reads at
/// a time: some hundred items, so that the scan needs bounded memory and fills its frames.
pub type Pages<T> = Pin<Box<dyn Stream<Item = Result<Page<T>, Error>> + Send>>;

/// A page of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// One or more items.
    pub items: Vec<T>,
    /// For each item the time that it has left to live, `None` if it does not expire; empty unless [`Range::with_ttl`].
    pub ttls_left: Vec<Option<Duration>>,
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
        Self { items, ttls_left: Vec::new(), resume: None }
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
    /// The key in front of which the range ends; `None` for the last one with the prefix. Only if [`Capabilities::ordered`].
    pub end: Option<Key>,
    /// From the greatest key to the least: the range starts after a greater key, and ends in front of a lesser one. Only if
    /// [`Capabilities::ordered`].
    pub reverse: bool,
    /// Whether pages need [`Page::ttls_left`]. Only if [`KeyValue::reads_ttl`].
    pub with_ttl: bool,
    /// The size of keys and values at which a page ends, at the latest with the item that reaches it; `None` for the
    /// backend's own.
    pub page_bytes: Option<usize>,
}

impl Range {
    /// All keys of a namespace with a prefix.
    #[must_use]
    pub fn new(namespace: Namespace, prefix: String) -> Self {
        Self {
            namespace,
            prefix,
            start: Start::Beginning,
            limit: None,
            end: None,
            reverse: false,
            with_ttl: false,
            page_bytes: None,
        }
    }
}

/// A value and the time that it has left to live; `None` if it does not expire.
pub type ValueAndTtl = (Bytes, Option<Duration>);

/// Where a scan starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With the first key, or with the last one if [`Range::reverse`].
    #[default]
    Beginning,
    /// After this key: only keys that are greater, byte by byte, or less if [`Range::reverse`]. Only if
    /// [`Capabilities::ordered`].
    After(Key),
    /// At a position that this backend returned as [`Page::resume`] in a scan of the same kind, namespace, prefix and
    /// direction, and in the same [epoch](KeyValue::epoch). Only if [`Capabilities::resumable`].
    ///
    /// Every key that exists throughout both scans must be returned by one of them. If the backend is ordered, none may be
    /// returned by both. A position that cannot be read, as from another version of the backend, gets [`resume_invalid`](super::resume_invalid).
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

    /// Whether [`get_with_ttl`](Self::get_with_ttl) and [`Range::with_ttl`] work; otherwise a request for a time to live is
    /// refused. Default: no.
    fn reads_ttl(&self) -> bool {
        false
    }

    /// Returns the value of a key and the time that it has left to live, both as of one moment. Only if
    /// [`reads_ttl`](Self::reads_ttl).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    fn get_with_ttl(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
    ) -> impl Future<Output = Result<Option<ValueAndTtl>, Error>> + Send {
        let _ = (context, namespace, key);
        std::future::ready(Err(ttl_unread()))
    }

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

    /// Removes keys that a scan has found, and returns how many were there still. Not atomic. Default: one after another.
    ///
    /// # Errors
    /// An error of the backend: some may have been removed.
    fn delete_found(
        &self,
        context: &Context,
        namespace: Namespace,
        keys: Vec<Key>,
    ) -> impl Future<Output = Result<u64, Error>> + Send {
        async move {
            let mut deleted = 0;
            for key in keys {
                deleted += u64::from(self.delete(context, namespace.clone(), key).await?);
            }
            Ok(deleted)
        }
    }

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

/// METHOD_UNKNOWN: the backend cannot tell how long keys have left to live.
pub(crate) fn ttl_unread() -> Error {
    Error::new(
        ErrorReason::MethodUnknown,
        "with_ttl needs a backend that can read times to live, which this one cannot; leave it out",
    )
    .with("field", "with_ttl")
}
