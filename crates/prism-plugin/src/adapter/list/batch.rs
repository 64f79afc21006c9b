//! Batches of values over a [`ListBatch`] backend.

use std::sync::Arc;

use prism_grpc::Context;
use prism_grpc::interface::Interface;
use prism_proto::FILE_DESCRIPTOR_SET;
use prism_proto::interfaces::list::{PopManyRequest, PopManyResponse, PushManyRequest, PushManyResponse};
use prism_proto::rpc::{Rpc as _, list as rpc};

use super::{checked_end, wire_length};
use crate::adapter::answer::answered;
use crate::error::Error;
use crate::list::{ListBatch, Pushed};
use crate::types::{Key, Namespace};
use crate::validate;

pub(crate) fn interface<B: ListBatch>(backend: Arc<B>) -> Interface<B> {
    Interface::new(rpc::PushMany::SERVICE, FILE_DESCRIPTOR_SET, backend)
        .unary::<rpc::PushMany, _>(push_many)
        .unary::<rpc::PopMany, _>(pop_many)
}

async fn push_many<B: ListBatch>(
    backend: Arc<B>,
    context: Context,
    request: PushManyRequest,
) -> Result<PushManyResponse, Error> {
    let PushManyRequest { namespace, list_key, end, values, max_len } = request;
    let (namespace, list_key) = (Namespace::new(namespace)?, Key::new("list_key", list_key)?);
    let end = checked_end(end)?;
    validate::batch("values", values.len())?;
    let values = values.into_iter().map(validate::value).collect::<Result<_, _>>()?;
    let max_len = max_len.map(|max_len| validate::positive("max_len", max_len)).transpose()?;
    let pushed = backend.push_many(&context, namespace, list_key, end, values, max_len);
    let answer = |pushed: &Pushed| PushManyResponse {
        new_length: wire_length(pushed.new_length),
        trimmed: wire_length(pushed.trimmed),
    };
    answered(&context, pushed, answer).await
}

async fn pop_many<B: ListBatch>(
    backend: Arc<B>,
    context: Context,
    request: PopManyRequest,
) -> Result<PopManyResponse, Error> {
    let PopManyRequest { namespace, list_key, end, count } = request;
    let (namespace, list_key) = (Namespace::new(namespace)?, Key::new("list_key", list_key)?);
    let end = checked_end(end)?;
    let count = usize::try_from(validate::positive("count", count)?).unwrap_or(usize::MAX);
    validate::batch("count", count)?;
    let popped = backend.pop_many(&context, namespace, list_key, end, count);
    answered(&context, popped, |values| PopManyResponse { values: values.clone() }).await
}
