//! What a scan returns, entries or keys, and the gRPC method of each.

use std::future::Future;

use bytes::Bytes;
use http::Uri;
use prism_proto::interfaces::keyvalue::key_value_scan_interface_client::KeyValueScanInterfaceClient;
use prism_proto::interfaces::keyvalue::{KeyResponse, ScanKeysRequest, ScanRequest, ScanResponse};
use prism_proto::limits::MESSAGE_BYTES_MAX;
use tonic::{Request, Response, Status, Streaming};

use crate::transport::Lease;

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
        const PATH: &'static str;
        /// The name in errors.
        const OPERATION: &'static str;
        type Request: prost::Message + Clone + Unpin + 'static;
        type Response: Send + 'static;

        fn send(
            lease: Lease,
            origin: Uri,
            request: Request<Self::Request>,
        ) -> impl Future<Output = Result<Response<Streaming<Self::Response>>, Status>> + Send;

        fn namespace(request: &Self::Request) -> &str;
        /// The item, and its resume token; empty if it has none.
        fn of(response: Self::Response) -> (Self, Bytes);
        fn key(&self) -> &str;
        fn limit(request: &mut Self::Request) -> &mut i32;
        fn start_after(request: &mut Self::Request) -> &mut Option<String>;
        fn resume(request: &mut Self::Request) -> &mut Bytes;
    }
}

fn client(lease: Lease, origin: Uri) -> KeyValueScanInterfaceClient<Lease> {
    KeyValueScanInterfaceClient::with_origin(lease, origin)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

impl sealed::Item for Entry {
    const PATH: &'static str = "/prism.interfaces.keyvalue.KeyValueScanInterface/Scan";
    const OPERATION: &'static str = "keyvalue.scan";
    type Request = ScanRequest;
    type Response = ScanResponse;

    async fn send(
        lease: Lease,
        origin: Uri,
        request: Request<ScanRequest>,
    ) -> Result<Response<Streaming<ScanResponse>>, Status> {
        client(lease, origin).scan(request).await
    }

    fn namespace(request: &ScanRequest) -> &str {
        &request.namespace
    }

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
    const PATH: &'static str = "/prism.interfaces.keyvalue.KeyValueScanInterface/ScanKeys";
    const OPERATION: &'static str = "keyvalue.scan_keys";
    type Request = ScanKeysRequest;
    type Response = KeyResponse;

    async fn send(
        lease: Lease,
        origin: Uri,
        request: Request<ScanKeysRequest>,
    ) -> Result<Response<Streaming<KeyResponse>>, Status> {
        client(lease, origin).scan_keys(request).await
    }

    fn namespace(request: &ScanKeysRequest) -> &str {
        &request.namespace
    }

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
