//! `prism.interfaces.list` over a [`List`] backend: pushes and pops. The other interfaces have a file each.

pub(crate) mod batch;
pub(crate) mod blocking;
pub(crate) mod indexing;
pub(crate) mod range;
pub(crate) mod reserve;
pub(crate) mod scan;

use std::sync::Arc;

use bytes::Bytes;
use prism_grpc::Context;
use prism_grpc::interface::Interface;
use prism_proto::FILE_DESCRIPTOR_SET;
use prism_proto::interfaces::list::{
    self as proto, LengthRequest, LengthResponse, PopLeftRequest, PopLeftResponse, PopRightRequest,
    PopRightResponse, PushLeftRequest, PushLeftResponse, PushRightRequest, PushRightResponse,
};
use prism_proto::rpc::{Rpc as _, list as rpc};

use crate::adapter::answer::answered;
use crate::error::{Error, ErrorReason};
use crate::list::{End, List};
use crate::types::{Key, Namespace};
use crate::validate;

pub(crate) fn interface<B: List>(backend: Arc<B>) -> Interface<B> {
    Interface::new(rpc::PushLeft::SERVICE, FILE_DESCRIPTOR_SET, backend)
        .unary::<rpc::PushLeft, _>(push_left)
        .unary::<rpc::PushRight, _>(push_right)
        .unary::<rpc::PopLeft, _>(pop_left)
        .unary::<rpc::PopRight, _>(pop_right)
        .unary::<rpc::Length, _>(length)
}

async fn push_left<B: List>(
    backend: Arc<B>,
    context: Context,
    request: PushLeftRequest,
) -> Result<PushLeftResponse, Error> {
    let PushLeftRequest { namespace, list_key, value } = request;
    let pushed = push(&*backend, &context, namespace, list_key, End::Left, value);
    answered(&context, pushed, |len| PushLeftResponse { new_length: wire_length(*len) }).await
}

async fn push_right<B: List>(
    backend: Arc<B>,
    context: Context,
    request: PushRightRequest,
) -> Result<PushRightResponse, Error> {
    let PushRightRequest { namespace, list_key, value } = request;
    let pushed = push(&*backend, &context, namespace, list_key, End::Right, value);
    answered(&context, pushed, |len| PushRightResponse { new_length: wire_length(*len) }).await
}

async fn push<B: List>(
    backend: &B,
    context: &Context,
    namespace: String,
    list_key: String,
    end: End,
    value: Bytes,
) -> Result<u64, Error> {
    let namespace = Namespace::new(namespace)?;
    let list_key = Key::new("list_key", list_key)?;
    let value = validate::value(value)?;
    backend.push(context, namespace, list_key, end, value).await
}

async fn pop_left<B: List>(
    backend: Arc<B>,
    context: Context,
    request: PopLeftRequest,
) -> Result<PopLeftResponse, Error> {
    let PopLeftRequest { namespace, list_key } = request;
    let popped = pop(&*backend, &context, namespace, list_key, End::Left);
    let answer = |value: &Option<Bytes>| PopLeftResponse {
        found: value.is_some(),
        value: value.clone().unwrap_or_default(),
    };
    answered(&context, popped, answer).await
}

async fn pop_right<B: List>(
    backend: Arc<B>,
    context: Context,
    request: PopRightRequest,
) -> Result<PopRightResponse, Error> {
    let PopRightRequest { namespace, list_key } = request;
    let popped = pop(&*backend, &context, namespace, list_key, End::Right);
    let answer = |value: &Option<Bytes>| PopRightResponse {
        found: value.is_some(),
        value: value.clone().unwrap_or_default(),
    };
    answered(&context, popped, answer).await
}

async fn pop<B: List>(
    backend: &B,
    context: &Context,
    namespace: String,
    list_key: String,
    end: End,
) -> Result<Option<Bytes>, Error> {
    backend.pop(context, Namespace::new(namespace)?, Key::new("list_key", list_key)?, end).await
}

async fn length<B: List>(
    backend: Arc<B>,
    context: Context,
    request: LengthRequest,
) -> Result<LengthResponse, Error> {
    let LengthRequest { namespace, list_key } = request;
    let length =
        backend.length(&context, Namespace::new(namespace)?, Key::new("list_key", list_key)?).await?;
    Ok(LengthResponse { length: wire_length(length) })
}

/// A length as the contract's int64; no list comes near its maximum.
fn wire_length(length: u64) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// An end as a request names it.
fn checked_end(end: i32) -> Result<End, Error> {
    match proto::End::try_from(end) {
        Ok(proto::End::Left) => Ok(End::Left),
        Ok(proto::End::Right) => Ok(End::Right),
        Ok(proto::End::Unspecified) | Err(_) => {
            let why = format!("end is {end}; it must be 1 (LEFT) or 2 (RIGHT)");
            Err(Error::new(ErrorReason::EndInvalid, why).with("field", "end"))
        }
    }
}
