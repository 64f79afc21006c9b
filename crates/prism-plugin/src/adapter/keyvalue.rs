//! `prism.interfaces.keyvalue` over a [`KeyValue`] backend: one value per call. The other interfaces have a file each.

pub(crate) mod batch;
pub(crate) mod cas;
pub(crate) mod counter;
pub(crate) mod scan;
pub(crate) mod ttl;

use std::sync::Arc;
use std::time::Duration;

use prism_grpc::Context;
use prism_grpc::interface::Interface;
use prism_proto::FILE_DESCRIPTOR_SET;
use prism_proto::interfaces::keyvalue::{
    DeleteRequest, DeleteResponse, ExistsRequest, ExistsResponse, GetRequest, GetResponse, SetRequest,
    SetResponse,
};
use prism_proto::rpc::{Rpc as _, keyvalue as rpc};

use crate::adapter::answer::answered;
use crate::error::{Error, ErrorReason};
use crate::keyvalue::{KeyValue, ttl_unread};
use crate::types::{Key, Namespace, Ttl};
use crate::validate;

pub(crate) fn interface<B: KeyValue>(backend: Arc<B>) -> Interface<B> {
    Interface::new(rpc::Set::SERVICE, FILE_DESCRIPTOR_SET, backend)
        .unary::<rpc::Set, _>(set)
        .unary::<rpc::Get, _>(get)
        .unary::<rpc::Delete, _>(delete)
        .unary::<rpc::Exists, _>(exists)
}

async fn set<B: KeyValue>(
    backend: Arc<B>,
    context: Context,
    request: SetRequest,
) -> Result<SetResponse, Error> {
    let SetRequest { namespace, key, value, ttl_seconds, ttl_millis } = request;
    let namespace = Namespace::new(namespace)?;
    let key = Key::new("key", key)?;
    let value = validate::value(value)?;
    let ttl = Ttl::of(ttl_seconds, ttl_millis)?;
    let set = backend.set(&context, namespace, key, value, ttl);
    answered(&context, set, |()| SetResponse { success: true }).await
}

async fn get<B: KeyValue>(
    backend: Arc<B>,
    context: Context,
    request: GetRequest,
) -> Result<GetResponse, Error> {
    let GetRequest { namespace, key, with_ttl } = request;
    let (namespace, key) = (Namespace::new(namespace)?, Key::new("key", key)?);
    if with_ttl {
        check_ttl_is_read(&*backend)?;
        let (value, left) = backend.get_with_ttl(&context, namespace, key).await?.ok_or_else(missing)?;
        return Ok(GetResponse { value, ttl_millis_left: left.map(millis_left) });
    }
    let value = backend.get(&context, namespace, key).await?.ok_or_else(missing)?;
    Ok(GetResponse { value, ttl_millis_left: None })
}

async fn delete<B: KeyValue>(
    backend: Arc<B>,
    context: Context,
    request: DeleteRequest,
) -> Result<DeleteResponse, Error> {
    let DeleteRequest { namespace, key } = request;
    let deleted = backend.delete(&context, Namespace::new(namespace)?, Key::new("key", key)?);
    answered(&context, deleted, |found| DeleteResponse { found: *found }).await
}

async fn exists<B: KeyValue>(
    backend: Arc<B>,
    context: Context,
    request: ExistsRequest,
) -> Result<ExistsResponse, Error> {
    let ExistsRequest { namespace, key } = request;
    let exists = backend.exists(&context, Namespace::new(namespace)?, Key::new("key", key)?).await?;
    Ok(ExistsResponse { exists })
}

/// KEY_NOT_FOUND.
fn missing() -> Error {
    Error::new(ErrorReason::KeyNotFound, "the key does not exist")
}

/// METHOD_UNKNOWN unless the backend can tell how long keys have left to live.
fn check_ttl_is_read(backend: &impl KeyValue) -> Result<(), Error> {
    if backend.reads_ttl() { Ok(()) } else { Err(ttl_unread()) }
}

/// The time that a live key has left, in milliseconds, rounded up: it is never 0.
pub(crate) fn millis_left(left: Duration) -> i64 {
    let millis = left.as_nanos().div_ceil(1_000_000).max(1);
    i64::try_from(millis).unwrap_or(i64::MAX)
}
