//! Typed calls as a case makes them, and the table of the contract's methods.

use std::fmt;
use std::time::Instant;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
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
use tonic::{Code, Request, Status};

use super::endpoint::Channel;
use super::expect::{Verdict, answered, failed};
use crate::list::End;

/// What the text in field 2 of a method's request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Key,
    Prefix,
    ListKey,
}

/// A method of the contract: in every request, field 1 is the namespace and field 2 a key, list key or prefix.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method {
    pub(super) name: &'static str,
    pub(super) path: &'static str,
    pub(super) field: Field,
}

macro_rules! methods {
    ($service:literal, $field:ident: $($name:literal),*) => {
        &[$(Method { name: $name, path: concat!("/prism.interfaces.", $service, "/", $name), field: Field::$field }),*]
    };
}

/// The methods of each interface; the first has no side effects.
pub(super) const KEYVALUE: &[Method] =
    methods!("keyvalue.KeyValueBasicInterface", Key: "Exists", "Get", "Delete", "Set");
pub(super) const SCAN: &[Method] =
    methods!("keyvalue.KeyValueScanInterface", Prefix: "Count", "Scan", "ScanKeys");
pub(super) const LIST: &[Method] =
    methods!("list.ListBasicInterface", ListKey: "Length", "PopLeft", "PopRight", "PushLeft", "PushRight");

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
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
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
        let answer = self.keyvalue().set(SetRequest { namespace, key, value, ttl_seconds }).await?;
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
        let request = GetRequest { namespace: self.namespace.clone(), key: key.to_owned() };
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
                let ScanRequest { namespace, prefix, limit, start_after, resume } = request;
                let request = ScanKeysRequest { namespace, prefix, limit, start_after, resume };
                let keys = self.scanner().scan_keys(request).await?.into_inner();
                let without_value =
                    |KeyResponse { key, resume }| ScanResponse { key, value: Bytes::new(), resume };
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
