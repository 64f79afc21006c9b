//! Single values within lists over a [`ListIndexing`] backend.

use std::sync::Arc;

use prism_grpc::Context;
use prism_grpc::interface::Interface;
use prism_proto::FILE_DESCRIPTOR_SET;
use prism_proto::interfaces::list::{
    GetAtRequest, GetAtResponse, RemoveRequest, RemoveResponse, SetAtRequest, SetAtResponse,
};
use prism_proto::rpc::{Rpc as _, list as rpc};

use super::wire_length;
use crate::adapter::answer::{answered, answered_or};
use crate::error::{Error, ErrorReason};
use crate::list::ListIndexing;
use crate::types::{Key, Namespace};
use crate::validate;

pub(crate) fn interface<B: ListIndexing>(backend: Arc<B>) -> Interface<B> {
    Interface::new(rpc::GetAt::SERVICE, FILE_DESCRIPTOR_SET, backend)
        .unary::<rpc::GetAt, _>(get_at)
        .unary::<rpc::SetAt, _>(set_at)
        .unary::<rpc::Remove, _>(remove)
}

async fn get_at<B: ListIndexing>(
    backend: Arc<B>,
    context: Context,
    request: GetAtRequest,
) -> Result<GetAtResponse, Error> {
    let GetAtRequest { namespace, list_key, index } = request;
    let (namespace, list_key) = (Namespace::new(namespace)?, Key::new("list_key", list_key)?);
    let value = backend.get_at(&context, namespace, list_key, index).await?;
    Ok(GetAtResponse { found: value.is_some(), value: value.unwrap_or_default() })
}

async fn set_at<B: ListIndexing>(
    backend: Arc<B>,
    context: Context,
    request: SetAtRequest,
) -> Result<SetAtResponse, Error> {
    let SetAtRequest { namespace, list_key, index, value } = request;
    let (namespace, list_key) = (Namespace::new(namespace)?, Key::new("list_key", list_key)?);
    let value = validate::value(value)?;
    let set = backend.set_at(&context, namespace, list_key, index, value);
    let outside = || {
        let why = format!(
            "index is {index}, and the list has no such index; push values, or use one from GetRange"
        );
        let error = Error::new(ErrorReason::IndexOutOfRange, why);
        error.with("field", "index").with("size", index.to_string())
    };
    answered_or(&context, set, |is_there| is_there.then_some(SetAtResponse {}), outside).await
}

async fn remove<B: ListIndexing>(
    backend: Arc<B>,
    context: Context,
    request: RemoveRequest,
) -> Result<RemoveResponse, Error> {
    let RemoveRequest { namespace, list_key, value, count } = request;
    let (namespace, list_key) = (Namespace::new(namespace)?, Key::new("list_key", list_key)?);
    let value = validate::value(value)?;
    let removed = backend.remove(&context, namespace, list_key, value, count);
    answered(&context, removed, |removed| RemoveResponse { removed: wire_length(*removed) }).await
}
