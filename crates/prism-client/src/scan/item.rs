//! What a scan returns, entries or keys, and the gRPC method of each.

use bytes::Bytes;
use prism_proto::interfaces::keyvalue::{KeyResponse, ScanKeysRequest, ScanRequest, ScanResponse};
use prism_proto::rpc::{Rpc, ServerStreaming, keyvalue};

/// A key and its value.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: Bytes,
}

/// Shows neither the key nor the value.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").finish_non_exhaustive()
    }
}

/// What a [`Scan`](crate::Scan) may return: [`Entry`] or [`String`].
pub trait ScanItem: sealed::Item {}

impl ScanItem for Entry {}
impl ScanItem for String {}

pub(crate) mod sealed {
    use super::*;

    pub trait Item: Sized + Send + 'static {
        type Rpc: ServerStreaming;

        /// The item, and its resume token; empty if it has none.
        fn of(response: ResponseOf<Self>) -> (Self, Bytes);
        fn key(&self) -> &str;
        fn limit(request: &mut RequestOf<Self>) -> &mut i32;
        fn start_after(request: &mut RequestOf<Self>) -> &mut Option<String>;
        fn resume(request: &mut RequestOf<Self>) -> &mut Bytes;
    }
}

/// What a scan sends.
pub(crate) type RequestOf<E> = <<E as sealed::Item>::Rpc as Rpc>::Request;

/// What a scan receives.
pub(crate) type ResponseOf<E> = <<E as sealed::Item>::Rpc as Rpc>::Response;

impl sealed::Item for Entry {
    type Rpc = keyvalue::Scan;

    fn of(response: ScanResponse) -> (Self, Bytes) {
        (Self { key: response.key, value: response.value }, response.resume)
    }

    fn key(&self) -> &str {
        &self.key
    }

    fn limit(request: &mut ScanRequest) -> &mut i32 {
        &mut request.limit
    }

    fn start_after(request: &mut ScanRequest) -> &mut Option<String> {
        &mut request.start_after
    }

    fn resume(request: &mut ScanRequest) -> &mut Bytes {
        &mut request.resume
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

    fn limit(request: &mut ScanKeysRequest) -> &mut i32 {
        &mut request.limit
    }

    fn start_after(request: &mut ScanKeysRequest) -> &mut Option<String> {
        &mut request.start_after
    }

    fn resume(request: &mut ScanKeysRequest) -> &mut Bytes {
        &mut request.resume
    }
}
