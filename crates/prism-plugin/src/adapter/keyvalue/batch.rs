//! Batches over a [`KeyValueBatch`] backend. A key or value that breaks a rule fails its own item only, so the valid items are
//! given to the backend and the results put back in the order asked.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::try_unfold;
use prism_grpc::Context;
use prism_grpc::interface::{Chunks, Interface, Streamed};
use prism_proto::FILE_DESCRIPTOR_SET;
use prism_proto::interfaces::keyvalue::{
    BatchDeleteRequest, BatchDeleteResponse, BatchDeleteResult, BatchGetRequest, BatchGetResponse,
    BatchSetItem, BatchSetRequest, BatchSetResponse, ItemStatus,
};
use prism_proto::rpc::{Rpc as _, keyvalue as rpc};

use super::{check_ttl_is_read, millis_left, missing};
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

async fn batch_get<B: KeyValueBatch>(
    backend: Arc<B>,
    context: Context,
    request: BatchGetRequest,
) -> Result<Streamed<impl Chunks<BatchGetResponse>>, Error> {
    let BatchGetRequest { namespace, keys, with_ttl } = request;
    let namespace = Namespace::new(namespace)?;
    validate::batch("keys", keys.len())?;
    if with_ttl {
        check_ttl_is_read(&*backend)?;
    }
    let left = Left::new(keys);
    Ok(Streamed::new(try_unfold(left, move |mut left| {
        let (backend, context, namespace) = (Arc::clone(&backend), context.clone(), namespace.clone());
        async move {
            let next = left.answer(&*backend, &context, &namespace, with_ttl).await?;
            Ok((!next.is_empty()).then_some((next, left)))
        }
    })))
}

/// What is left of a batch to be answered, in the order asked.
struct Left {
    /// The valid keys, and how many of them have been read.
    keys: Vec<Key>,
    read: usize,
    /// The others: their places in the batch, and their errors.
    invalid: VecDeque<(usize, Error)>,
    answered: usize,
}

impl Left {
    fn new(asked: Vec<String>) -> Self {
        let (mut keys, mut invalid) = (Vec::with_capacity(asked.len()), VecDeque::new());
        for (place, key) in asked.into_iter().enumerate() {
            match Key::new("key", key) {
                Ok(key) => keys.push(key),
                Err(error) => invalid.push_back((place, error)),
            }
        }
        Self { keys, read: 0, invalid, answered: 0 }
    }

    /// The next answers; none at the end.
    async fn answer<B: KeyValueBatch>(
        &mut self,
        backend: &B,
        context: &Context,
        namespace: &Namespace,
        with_ttl: bool,
    ) -> Result<Vec<BatchGetResponse>, Error> {
        let keys = &self.keys[self.read..];
        let values = match keys {
            [] => Vec::new(),
            keys => backend.get_first(context, namespace, keys, with_ttl).await,
        };
        if values.is_empty() != keys.is_empty() || values.len() > keys.len() {
            return Err(uneven());
        }
        self.read += values.len();
        let mut answers = Vec::with_capacity(values.len());
        for value in values {
            self.refuse_next(&mut answers);
            answers.push(value_response(value, with_ttl));
            self.answered += 1;
        }
        self.refuse_next(&mut answers);
        Ok(answers)
    }

    /// Answers the invalid keys up to the next valid one.
    fn refuse_next(&mut self, answers: &mut Vec<BatchGetResponse>) {
        while self.invalid.front().is_some_and(|(place, _)| *place == self.answered)
            && let Some((_, error)) = self.invalid.pop_front()
        {
            answers.push(value_response(Err(error), false));
            self.answered += 1;
        }
    }
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
