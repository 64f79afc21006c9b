//! Typed calls as a case makes them, and the table of the contract's methods.

use std::fmt;
use std::time::Instant;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use http::uri::PathAndQuery;
use prism_proto::codec::Codec;
use prism_proto::interfaces::keyvalue::key_value_basic_interface_client::KeyValueBasicInterfaceClient;
use prism_proto::interfaces::keyvalue::key_value_scan_interface_client::KeyValueScanInterfaceClient;
use prism_proto::interfaces::keyvalue::{
    CountRequest, DeleteRequest, ExistsRequest, GetRequest, KeyResponse, ScanKeysRequest, ScanRequest,
    ScanResponse, SetRequest,
};
use prism_proto::interfaces::list::list_basic_interface_client::ListBasicInterfaceClient;
use prism_proto::interfaces::list::{
    LengthRequest, PopLeftRequest, PopRightRequest, PushLeftRequest, PushRightRequest,
};
use prism_proto::limits::MESSAGE_BYTES_MAX;
use prism_proto::rpc::{self, BidiStreaming, Rpc, ServerStreaming, Unary};
use tonic::client::Grpc;
use tonic::{Code, Request, Status};

use super::endpoint::Channel;
use super::expect::{Verdict, answered, failed};
use crate::list::End;

/// A method of the contract: in every request, field 1 is the namespace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method {
    pub(super) name: &'static str,
    pub(super) path: &'static str,
    pub(super) service: &'static str,
    /// The name of field 2.
    pub(super) field: &'static str,
}

impl Method {
    const fn of<R: Rpc>() -> Self {
        Self { name: R::NAME, path: R::PATH, service: R::SERVICE, field: R::SUBJECT }
    }

    /// Whether field 2 is a key or list key.
    pub(super) fn is_keyed(&self) -> bool {
        matches!(self.field, "key" | "list_key")
    }

    /// Whether field 2 is a prefix.
    pub(super) fn is_prefixed(&self) -> bool {
        self.field == "prefix"
    }
}

/// An interface of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interface {
    KeyValue,
    Scan,
    Ttl,
    Batch,
    Cas,
    Counter,
    List,
    ListRange,
    ListIndexing,
    ListBatch,
    ListBlocking,
    ListReserve,
    ListScan,
    Transfer,
}

macro_rules! methods {
    ($($interface:ident: $package:ident::{$($name:ident),*};)*) => {
        impl Interface {
            pub(super) const ALL: &[Self] = &[$(Self::$interface),*];

            /// Its methods. The first one with an empty field 2 changes nothing.
            pub(super) const fn methods(self) -> &'static [Method] {
                match self {
                    $(Self::$interface => const { &[$(Method::of::<rpc::$package::$name>()),*] },)*
                }
            }
        }
    };
}
methods! {
    KeyValue: keyvalue::{Exists, Get, Delete, Set};
    Scan: keyvalue::{Count, Scan, ScanKeys, DeletePrefix};
    Ttl: keyvalue::{GetTtl, Expire, Persist};
    Batch: keyvalue::{BatchGet, BatchSet, BatchDelete};
    Cas: keyvalue::{SetIf, DeleteIf, GetAndSet, GetAndDelete};
    Counter: keyvalue::{Increment};
    List: list::{Length, PopLeft, PopRight, PushLeft, PushRight};
    ListRange: list::{GetRange, Trim, Clear};
    ListIndexing: list::{GetAt, SetAt, Remove};
    ListBatch: list::{PushMany, PopMany};
    ListBlocking: list::{BlockingPop};
    // Extend refuses an empty list key before it does anything.
    ListReserve: list::{Extend, Reserve, Ack, Release};
    ListScan: list::{CountLists, ScanLists};
    Transfer: transfer::{Export, Import};
}

impl Interface {
    /// Its service, by its full name.
    pub(super) fn service(self) -> &'static str {
        self.methods()[0].service
    }
}

/// The fields that the requests of all methods share.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Named {
    #[prost(string, tag = "1")]
    pub(super) namespace: String,
    #[prost(string, tag = "2")]
    pub(super) name: String,
}

/// Calls any method with the two shared fields and returns the number of response messages.
pub(super) async fn call_method(
    channel: &Channel,
    path: &'static str,
    namespace: &str,
    name: &str,
) -> Result<usize, Status> {
    let mut grpc = ready(channel).await?;
    let message = Named { namespace: namespace.to_owned(), name: name.to_owned() };
    let codec = Codec::<Named, ()>::default();
    let path = PathAndQuery::from_static(path);
    let mut messages = grpc.server_streaming(Request::new(message), path, codec).await?.into_inner();
    let mut count = 0;
    while messages.message().await?.is_some() {
        count += 1;
    }
    Ok(count)
}

/// What makes calls of any method, and takes responses larger than a message should be.
async fn ready(channel: &Channel) -> Result<Grpc<Channel>, Status> {
    let mut grpc = Grpc::new(channel.clone()).max_decoding_message_size(4 * MESSAGE_BYTES_MAX);
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    Ok(grpc)
}

/// A request with an idempotency key.
fn under<T>(key: &str, request: T) -> Result<Request<T>, Status> {
    let key = key.parse().map_err(|_| Status::internal("the key is no metadata"))?;
    let mut request = Request::new(request);
    request.metadata_mut().insert("idempotency-key", key);
    Ok(request)
}

/// One of the two scans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Scan,
    ScanKeys,
}

impl Which {
    pub(super) const BOTH: [Self; 2] = [Self::Scan, Self::ScanKeys];
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Calls in one namespace over one connection. `try_` methods return the status; in the others, a status fails the
/// case.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) channel: Channel,
    pub(super) namespace: String,
}

impl Client {
    pub(super) fn in_namespace(&self, namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), ..self.clone() }
    }

    /// Makes any unary call.
    pub(super) async fn try_call<R: Unary>(&self, request: R::Request) -> Result<R::Response, Status> {
        let codec = Codec::<R::Request, R::Response>::default();
        let mut grpc = ready(&self.channel).await?;
        Ok(grpc.unary(Request::new(request), PathAndQuery::from_static(R::PATH), codec).await?.into_inner())
    }

    /// Makes any unary call under an idempotency key.
    pub(super) async fn try_call_under<R: Unary>(
        &self,
        key: &str,
        request: R::Request,
    ) -> Result<R::Response, Status> {
        let codec = Codec::<R::Request, R::Response>::default();
        let mut grpc = ready(&self.channel).await?;
        let path = PathAndQuery::from_static(R::PATH);
        Ok(grpc.unary(under(key, request)?, path, codec).await?.into_inner())
    }

    /// Makes any unary call; a status fails the case.
    pub(super) async fn call<R: Unary>(&self, request: R::Request) -> Verdict<R::Response> {
        answered(R::NAME, self.try_call::<R>(request).await)
    }

    /// All messages of any call that returns a stream.
    pub(super) async fn try_stream<R: ServerStreaming>(
        &self,
        request: R::Request,
    ) -> Result<Vec<R::Response>, Status> {
        let codec = Codec::<R::Request, R::Response>::default();
        let mut grpc = ready(&self.channel).await?;
        let path = PathAndQuery::from_static(R::PATH);
        let answer = grpc.server_streaming(Request::new(request), path, codec).await?;
        answer.into_inner().try_collect().await
    }

    /// All messages of any call that returns a stream, under an idempotency key.
    pub(super) async fn try_stream_under<R: ServerStreaming>(
        &self,
        key: &str,
        request: R::Request,
    ) -> Result<Vec<R::Response>, Status> {
        let codec = Codec::<R::Request, R::Response>::default();
        let mut grpc = ready(&self.channel).await?;
        let path = PathAndQuery::from_static(R::PATH);
        let answer = grpc.server_streaming(under(key, request)?, path, codec).await?;
        answer.into_inner().try_collect().await
    }

    /// All messages of any call that returns a stream; a status fails the case.
    pub(super) async fn stream<R: ServerStreaming>(&self, request: R::Request) -> Verdict<Vec<R::Response>> {
        answered(R::NAME, self.try_stream::<R>(request).await)
    }

    /// Sends messages to any call with streams in both directions, and returns what it has answered and how it ended.
    pub(super) async fn exchange<R: BidiStreaming>(
        &self,
        messages: Vec<R::Request>,
    ) -> (Vec<R::Response>, Result<(), Status>) {
        let (codec, path) = (Codec::<R::Request, R::Response>::default(), PathAndQuery::from_static(R::PATH));
        let request = Request::new(stream::iter(messages));
        let begun = match ready(&self.channel).await {
            Ok(mut grpc) => grpc.streaming(request, path, codec).await,
            Err(status) => Err(status),
        };
        let mut incoming = match begun {
            Ok(answer) => answer.into_inner(),
            Err(status) => return (Vec::new(), Err(status)),
        };
        let mut answers = Vec::new();
        loop {
            match incoming.message().await {
                Ok(Some(answer)) => answers.push(answer),
                Ok(None) => return (answers, Ok(())),
                Err(status) => return (answers, Err(status)),
            }
        }
    }

    fn keyvalue(&self) -> KeyValueBasicInterfaceClient<Channel> {
        KeyValueBasicInterfaceClient::new(self.channel.clone())
    }

    fn scanner(&self) -> KeyValueScanInterfaceClient<Channel> {
        KeyValueScanInterfaceClient::new(self.channel.clone())
    }

    fn lists(&self) -> ListBasicInterfaceClient<Channel> {
        ListBasicInterfaceClient::new(self.channel.clone())
    }

    pub(super) async fn try_set(
        &self,
        key: &str,
        value: impl Into<Bytes>,
        ttl_seconds: Option<i64>,
    ) -> Result<bool, Status> {
        let (namespace, key, value) = (self.namespace.clone(), key.to_owned(), value.into());
        let answer =
            self.keyvalue().set(SetRequest { namespace, key, value, ttl_seconds, ttl_millis: None }).await?;
        Ok(answer.into_inner().success)
    }

    pub(super) async fn set(&self, key: &str, value: impl Into<Bytes>) -> Verdict {
        answered("Set", self.try_set(key, value, None).await).map(drop)
    }

    /// Sets a key that expires, and returns when that was acknowledged: at the latest, the key is gone that much later.
    pub(super) async fn set_for(&self, key: &str, value: impl Into<Bytes>, seconds: i64) -> Verdict<Instant> {
        let what = format_args!("Set with ttl_seconds {seconds}").to_string();
        answered(what, self.try_set(key, value, Some(seconds)).await)?;
        Ok(Instant::now())
    }

    pub(super) async fn try_get(&self, key: &str) -> Result<Bytes, Status> {
        let request = GetRequest { namespace: self.namespace.clone(), key: key.to_owned(), with_ttl: false };
        Ok(self.keyvalue().get(request).await?.into_inner().value)
    }

    /// `None`: NOT_FOUND.
    pub(super) async fn get(&self, key: &str) -> Verdict<Option<Bytes>> {
        match self.try_get(key).await {
            Err(status) if status.code() == Code::NotFound => Ok(None),
            answer => answered("Get", answer).map(Some),
        }
    }

    pub(super) async fn try_delete(&self, key: &str) -> Result<bool, Status> {
        let request = DeleteRequest { namespace: self.namespace.clone(), key: key.to_owned() };
        Ok(self.keyvalue().delete(request).await?.into_inner().found)
    }

    pub(super) async fn delete(&self, key: &str) -> Verdict<bool> {
        answered("Delete", self.try_delete(key).await)
    }

    pub(super) async fn exists(&self, key: &str) -> Verdict<bool> {
        let request = ExistsRequest { namespace: self.namespace.clone(), key: key.to_owned() };
        Ok(answered("Exists", self.keyvalue().exists(request).await)?.into_inner().exists)
    }

    /// A request for all keys with a prefix.
    pub(super) fn range(&self, prefix: &str) -> ScanRequest {
        let (namespace, prefix) = (self.namespace.clone(), prefix.to_owned());
        ScanRequest { namespace, prefix, ..ScanRequest::default() }
    }

    /// All items of a scan; the values of ScanKeys are empty.
    pub(super) async fn try_scan(
        &self,
        which: Which,
        request: ScanRequest,
    ) -> Result<Vec<(String, Bytes)>, Status> {
        let mut items = Vec::new();
        let mut scan = self.begin_scan(which, request).await?;
        while let Some(ScanResponse { key, value, .. }) = scan.next().await.transpose()? {
            items.push((key, value));
        }
        Ok(items)
    }

    /// The keys of a scan up to the first that carries a resume token, and that token; empty at the end of the scan.
    pub(super) async fn try_scan_page(
        &self,
        which: Which,
        request: ScanRequest,
    ) -> Result<(Vec<String>, Bytes), Status> {
        let mut keys = Vec::new();
        let mut scan = self.begin_scan(which, request).await?;
        while let Some(ScanResponse { key, resume, .. }) = scan.next().await.transpose()? {
            keys.push(key);
            if !resume.is_empty() {
                return Ok((keys, resume));
            }
        }
        Ok((keys, Bytes::new()))
    }

    /// Either scan as a stream of items; the values of ScanKeys are empty.
    async fn begin_scan(
        &self,
        which: Which,
        request: ScanRequest,
    ) -> Result<BoxStream<'static, Result<ScanResponse, Status>>, Status> {
        match which {
            Which::Scan => Ok(self.scanner().scan(request).await?.into_inner().boxed()),
            Which::ScanKeys => {
                let ScanRequest {
                    namespace,
                    prefix,
                    limit,
                    start_after,
                    resume,
                    with_ttl,
                    reverse,
                    before,
                    page_bytes,
                } = request;
                let request = ScanKeysRequest {
                    namespace,
                    prefix,
                    limit,
                    start_after,
                    resume,
                    with_ttl,
                    reverse,
                    before,
                    page_bytes,
                };
                let keys = self.scanner().scan_keys(request).await?.into_inner();
                let without_value = |KeyResponse { key, ttl_millis_left, resume }| ScanResponse {
                    key,
                    value: Bytes::new(),
                    ttl_millis_left,
                    resume,
                };
                Ok(keys.map_ok(without_value).boxed())
            }
        }
    }

    /// The keys of a scan, in the order in which they arrived.
    pub(super) async fn scan(&self, which: Which, request: ScanRequest) -> Verdict<Vec<String>> {
        let what =
            format!("{which} with a prefix of {} bytes, limit {}", request.prefix.len(), request.limit);
        let items = answered(what, self.try_scan(which, request).await)?;
        Ok(items.into_iter().map(|(key, _)| key).collect())
    }

    /// A scan that is still running.
    pub(super) async fn open_scan(&self, request: ScanRequest) -> Verdict<tonic::Streaming<ScanResponse>> {
        Ok(answered("Scan", self.scanner().scan(request).await)?.into_inner())
    }

    pub(super) async fn count(&self, prefix: &str) -> Verdict<i64> {
        let request = CountRequest { namespace: self.namespace.clone(), prefix: prefix.to_owned() };
        Ok(answered("Count", self.scanner().count(request).await)?.into_inner().count)
    }

    pub(super) async fn try_push(
        &self,
        end: End,
        list: &str,
        value: impl Into<Bytes>,
    ) -> Result<i64, Status> {
        let (namespace, list_key, value) = (self.namespace.clone(), list.to_owned(), value.into());
        Ok(match end {
            End::Left => {
                let request = PushLeftRequest { namespace, list_key, value };
                self.lists().push_left(request).await?.into_inner().new_length
            }
            End::Right => {
                let request = PushRightRequest { namespace, list_key, value };
                self.lists().push_right(request).await?.into_inner().new_length
            }
        })
    }

    pub(super) async fn push(&self, end: End, list: &str, value: impl Into<Bytes>) -> Verdict<i64> {
        answered(format!("Push{end:?}"), self.try_push(end, list, value).await)
    }

    pub(super) async fn try_pop(&self, end: End, list: &str) -> Result<Option<Bytes>, Status> {
        let (namespace, list_key) = (self.namespace.clone(), list.to_owned());
        let (found, value) = match end {
            End::Left => {
                let popped =
                    self.lists().pop_left(PopLeftRequest { namespace, list_key }).await?.into_inner();
                (popped.found, popped.value)
            }
            End::Right => {
                let popped =
                    self.lists().pop_right(PopRightRequest { namespace, list_key }).await?.into_inner();
                (popped.found, popped.value)
            }
        };
        Ok(found.then_some(value))
    }

    pub(super) async fn pop(&self, end: End, list: &str) -> Verdict<Option<Bytes>> {
        answered(format!("Pop{end:?}"), self.try_pop(end, list).await)
    }

    /// Pops everything at one end, in order; more than `expected_max` values fail the case.
    pub(super) async fn drain(&self, end: End, list: &str, expected_max: usize) -> Verdict<Vec<Bytes>> {
        let mut values = Vec::new();
        while let Some(value) = self.pop(end, list).await? {
            values.push(value);
            if values.len() > expected_max {
                return failed(format!(
                    "Pop{end:?} returned more than the {expected_max} values that were pushed"
                ));
            }
        }
        Ok(values)
    }

    pub(super) async fn length(&self, list: &str) -> Verdict<i64> {
        let request = LengthRequest { namespace: self.namespace.clone(), list_key: list.to_owned() };
        Ok(answered("Length", self.lists().length(request).await)?.into_inner().length)
    }
}
