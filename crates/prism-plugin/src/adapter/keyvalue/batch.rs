//! Batches over a [`KeyValueBatch`] backend. A key or value that breaks a rule fails its own item only, so the valid items are
//! given to the backend and the results put back in the order asked.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::Stream;
use prism_grpc::Context;
use prism_grpc::interface::Interface;
use prism_proto::FILE_DESCRIPTOR_SET;
use prism_proto::interfaces::keyvalue::{
    BatchDeleteRequest, BatchDeleteResponse, BatchDeleteResult, BatchGetRequest, BatchGetResponse,
    BatchSetItem, BatchSetRequest, BatchSetResponse, ItemStatus,
};
use prism_proto::rpc::{Rpc as _, keyvalue as rpc};
use tonic::{Response, Status};

use super::{check_ttl_is_read, millis_left, missing};
use crate::adapter::stream::{Chunk, chunks};
use crate::error::{Error, ErrorReason};
use crate::keyvalue::{KeyValueBatch, ValueAndTtl};
use crate::types::{Key, Namespace, Ttl};
use crate::validate;

pub(crate) fn interface<B: KeyValueBatch>(backend: Arc<B>) -> Interface<B> {
    Interface::new(rpc::BatchGet::SERVICE, FILE_DESCRIPTOR_SET, backend)
        .server_streaming::<rpc::BatchGet, _, _>(batch_get)
        .unary::<rpc::BatchSet, _>(batch_set)
        .unary::<rpc::BatchDelete, _>(batch_delete)
}

/// The items of a batch that are left to be answered, each checked.
type Left<T> = VecDeque<Result<T, Error>>;

async fn batch_get<B: KeyValueBatch>(
    backend: Arc<B>,
    context: Context,
    request: BatchGetRequest,
) -> Result<Response<impl Stream<Item = Result<BatchGetResponse, Status>>>, Error> {
    let BatchGetRequest { namespace, keys, with_ttl } = request;
    let namespace = Namespace::new(namespace)?;
    validate::batch("keys", keys.len())?;
    if with_ttl {
        check_ttl_is_read(&*backend)?;
    }
    let left: Left<Key> = keys.into_iter().map(|key| Key::new("key", key)).collect();
    Ok(Response::new(chunks(left, move |left| {
        let (backend, context, namespace) = (Arc::clone(&backend), context.clone(), namespace.clone());
        async move { next_values(&*backend, &context, namespace, left, with_ttl).await }
    })))
}

/// The answers to the next items, at least one; `None` at the end.
async fn next_values<B: KeyValueBatch>(
    backend: &B,
    context: &Context,
    namespace: Namespace,
    mut left: Left<Key>,
    with_ttl: bool,
) -> Result<Chunk<Left<Key>, BatchGetResponse>, Error> {
    let run = left.iter().take_while(|key| key.is_ok()).count();
    let values = match run {
        0 => match left.pop_front() {
            Some(invalid) => vec![invalid.map(|_| None)],
            None => return Ok(None),
        },
        run => {
            let keys = left.iter().take(run).flatten().cloned().collect();
            let values = backend.get_first(context, namespace, keys, with_ttl).await;
            if values.is_empty() {
                return Err(uneven());
            }
            left.drain(..values.len().min(run));
            values
        }
    };
    Ok(Some((values.into_iter().map(|value| value_response(value, with_ttl)).collect(), left)))
}

fn value_response(value: Result<Option<ValueAndTtl>, Error>, with_ttl: bool) -> BatchGetResponse {
    match value.and_then(|found| found.ok_or_else(missing)) {
        Ok((value, left)) => BatchGetResponse {
            status: Some(ItemStatus::default()),
            value,
            ttl_millis_left: left.filter(|_| with_ttl).map(millis_left),
        },
        Err(error) => BatchGetResponse { status: Some(failed(error)), ..BatchGetResponse::default() },
    }
}

async fn batch_set<B: KeyValueBatch>(
    backend: Arc<B>,
    context: Context,
    request: BatchSetRequest,
) -> Result<BatchSetResponse, Error> {
    let BatchSetRequest { namespace, items } = request;
    let namespace = Namespace::new(namespace)?;
    validate::batch("items", items.len())?;
    let (valid, results) = sorted(items, checked);
    let written = backend.set_each(&context, namespace, valid).await;
    let results = merged(results, written)?.into_iter();
    Ok(BatchSetResponse { results: results.map(|result| status(result.map(drop)).0).collect() })
}

fn checked(item: BatchSetItem) -> Result<(Key, Bytes, Option<Ttl>), Error> {
    let BatchSetItem { key, value, ttl_millis } = item;
    Ok((Key::new("key", key)?, validate::value(value)?, Ttl::of(None, ttl_millis)?))
}

async fn batch_delete<B: KeyValueBatch>(
    backend: Arc<B>,
    context: Context,
    request: BatchDeleteRequest,
) -> Result<BatchDeleteResponse, Error> {
    let BatchDeleteRequest { namespace, keys } = request;
    let namespace = Namespace::new(namespace)?;
    validate::batch("keys", keys.len())?;
    let (valid, results) = sorted(keys, |key| Key::new("key", key));
    let removed = backend.delete_each(&context, namespace, valid).await;
    let result = |result| {
        let (status, found) = status(result);
        BatchDeleteResult { status: Some(status), found: found.unwrap_or_default() }
    };
    Ok(BatchDeleteResponse { results: merged(results, removed)?.into_iter().map(result).collect() })
}

/// The valid items, and for each item its error, or none yet.
fn sorted<I, T>(items: Vec<I>, check: impl Fn(I) -> Result<T, Error>) -> (Vec<T>, Vec<Option<Error>>) {
    let mut valid = Vec::with_capacity(items.len());
    let errors = items.into_iter().map(|item| check(item).map(|item| valid.push(item)).err()).collect();
    (valid, errors)
}

/// The result of each item: its error, or the next one of the backend.
fn merged<T>(
    errors: Vec<Option<Error>>,
    results: Vec<Result<T, Error>>,
) -> Result<Vec<Result<T, Error>>, Error> {
    let mut results = results.into_iter();
    let next = |error: Option<Error>| match error {
        Some(error) => Some(Err(error)),
        None => results.next(),
    };
    errors.into_iter().map(next).collect::<Option<_>>().ok_or_else(uneven)
}

fn uneven() -> Error {
    Error::new(ErrorReason::Internal, "the backend returned fewer results than the batch has items")
}

fn status<T>(result: Result<T, Error>) -> (ItemStatus, Option<T>) {
    match result {
        Ok(value) => (ItemStatus::default(), Some(value)),
        Err(error) => (failed(error), None),
    }
}

fn failed(error: Error) -> ItemStatus {
    ItemStatus {
        code: error.reason.code().into(),
        reason: error.reason.to_string(),
        message: error.message.into_owned(),
    }
}
