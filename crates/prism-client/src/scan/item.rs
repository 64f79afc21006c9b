//! What a scan returns, entries, keys or lists, and the gRPC method of each.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use prism_proto::interfaces::keyvalue::{KeyResponse, ScanKeysRequest, ScanRequest, ScanResponse};
use prism_proto::interfaces::list::{ScanListsRequest, ScanListsResponse};
use prism_proto::rpc::{Rpc, ServerStreaming, keyvalue, list};

use crate::answer::{millis, unsigned};

/// A key and its value.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: Bytes,
    /// The time that the key has left to live, if the scan [asked for it](crate::Scan::with_ttl). `None` also if it does not
    /// expire.
    pub ttl_left: Option<Duration>,
}

/// Shows neither the key nor the value.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").finish_non_exhaustive()
    }
}

/// A list's key and its length.
#[derive(Clone, PartialEq, Eq)]
pub struct ListEntry {
    /// The list's key.
    pub list_key: String,
    /// The number of values.
    pub length: u64,
}

/// Does not show the key.
impl fmt::Debug for ListEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListEntry").field("length", &self.length).finish_non_exhaustive()
    }
}

/// What a [`Scan`](crate::Scan) may return: [`Entry`], [`String`] (a key) or [`ListEntry`].
pub trait ScanItem: sealed::Item {}

impl ScanItem for Entry {}
impl ScanItem for String {}
impl ScanItem for ListEntry {}

/// What a scan of keys returns: [`Entry`] or [`String`].
pub trait KeyItem: ScanItem {}

impl KeyItem for Entry {}
impl KeyItem for String {}

pub(crate) mod sealed {
    use super::*;

    pub trait Item: Sized + Send + 'static {
        type Rpc: ServerStreaming;

        /// Whether a scan that is lost before its first token begins again: whoever reads it leaves out what repeats.
        const BEGINS_AGAIN: bool = false;

        /// The item, and its resume token; empty if it has none.
        fn of(response: ResponseOf<Self>) -> (Self, Bytes);
        fn key(&self) -> &str;
        /// `None` if there is none.
        fn limit(request: &mut RequestOf<Self>) -> Option<&mut i32>;
        fn resume(request: &mut RequestOf<Self>) -> &mut Bytes;
        /// `None` if the scan can only be continued at its tokens.
        fn bounds(request: &mut RequestOf<Self>) -> Option<Bounds<'_>>;
    }

    /// Between which keys a scan is, and in which direction it goes.
    pub struct Bounds<'a> {
        pub start_after: &'a mut Option<String>,
        pub before: &'a mut Option<String>,
        pub reverse: &'a mut bool,
    }
}

pub(crate) use sealed::Bounds;

/// What a scan sends.
pub(crate) type RequestOf<E> = <<E as sealed::Item>::Rpc as Rpc>::Request;

/// What a scan receives.
pub(crate) type ResponseOf<E> = <<E as sealed::Item>::Rpc as Rpc>::Response;

impl sealed::Item for Entry {
    type Rpc = keyvalue::Scan;

    fn of(response: ScanResponse) -> (Self, Bytes) {
        let ttl_left = response.ttl_millis_left.map(millis);
        (Self { key: response.key, value: response.value, ttl_left }, response.resume)
    }

    fn key(&self) -> &str {
        &self.key
    }

    fn limit(request: &mut ScanRequest) -> Option<&mut i32> {
        Some(&mut request.limit)
    }

    fn resume(request: &mut ScanRequest) -> &mut Bytes {
        &mut request.resume
    }

    fn bounds(request: &mut ScanRequest) -> Option<Bounds<'_>> {
        let ScanRequest { start_after, before, reverse, .. } = request;
        Some(Bounds { start_after, before, reverse })
    }
}

impl sealed::Item for String {
    type Rpc = keyvalue::ScanKeys;

    fn of(response: KeyResponse) -> (Self, Bytes) {
        (response.key, response.resume)
    }

    fn key(&self) -> &str {
        self
    }

    fn limit(request: &mut ScanKeysRequest) -> Option<&mut i32> {
        Some(&mut request.limit)
    }

    fn resume(request: &mut ScanKeysRequest) -> &mut Bytes {
        &mut request.resume
    }

    fn bounds(request: &mut ScanKeysRequest) -> Option<Bounds<'_>> {
        let ScanKeysRequest { start_after, before, reverse, .. } = request;
        Some(Bounds { start_after, before, reverse })
    }
}

impl sealed::Item for ListEntry {
    type Rpc = list::ScanLists;

    fn of(response: ScanListsResponse) -> (Self, Bytes) {
        (Self { list_key: response.list_key, length: unsigned(response.length) }, response.resume)
    }

    fn key(&self) -> &str {
        &self.list_key
    }

    fn limit(request: &mut ScanListsRequest) -> Option<&mut i32> {
        Some(&mut request.limit)
    }

    fn resume(request: &mut ScanListsRequest) -> &mut Bytes {
        &mut request.resume
    }

    fn bounds(_: &mut ScanListsRequest) -> Option<Bounds<'_>> {
        None
    }
}
