//! Parts of lists over a [`ListRange`] backend.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::try_unfold;
use prism_grpc::Context;
use prism_grpc::interface::{Chunks, Interface, Streamed};
use prism_proto::FILE_DESCRIPTOR_SET;
use prism_proto::interfaces::list::{
    ClearRequest, ClearResponse, GetRangeRequest, GetRangeResponse, TrimRequest, TrimResponse,
};
use prism_proto::rpc::{Rpc as _, list as rpc};

use super::wire_length;
use crate::adapter::answer::answered;
use crate::error::Error;
use crate::list::ListRange;
use crate::types::{Key, Namespace};

pub(crate) fn interface<B: ListRange>(backend: Arc<B>) -> Interface<B> {
    Interface::new(rpc::GetRange::SERVICE, FILE_DESCRIPTOR_SET, backend)
        .server_streaming::<rpc::GetRange, _, _>(get_range)
        .unary::<rpc::Trim, _>(trim)
        .unary::<rpc::Clear, _>(clear)
}

async fn get_range<B: ListRange>(
    backend: Arc<B>,
    context: Context,
    request: GetRangeRequest,
) -> Result<Streamed<impl Chunks<GetRangeResponse>>, Error> {
    let GetRangeRequest { namespace, list_key, start, stop } = request;
    let (namespace, list_key) = (Namespace::new(namespace)?, Key::new("list_key", list_key)?);
    let pages = backend.range(&context, namespace, list_key, start, stop);
    Ok(Streamed::new(try_unfold(pages, async |mut pages| {
        let Some(values) = pages.next().await.transpose()? else { return Ok(None) };
        Ok(Some((values.into_iter().map(|value| GetRangeResponse { value }).collect(), pages)))
    })))
}

async fn trim<B: ListRange>(
    backend: Arc<B>,
    context: Context,
    request: TrimRequest,
) -> Result<TrimResponse, Error> {
    let TrimRequest { namespace, list_key, start, stop } = request;
    let (namespace, list_key) = (Namespace::new(namespace)?, Key::new("list_key", list_key)?);
    let trimmed = backend.trim(&context, namespace, list_key, start, stop);
    answered(&context, trimmed, |len| TrimResponse { new_length: wire_length(*len) }).await
}

async fn clear<B: ListRange>(
    backend: Arc<B>,
    context: Context,
    request: ClearRequest,
) -> Result<ClearResponse, Error> {
    let ClearRequest { namespace, list_key } = request;
    let (namespace, list_key) = (Namespace::new(namespace)?, Key::new("list_key", list_key)?);
    let cleared = backend.clear(&context, namespace, list_key);
    answered(&context, cleared, |removed| ClearResponse { removed: wire_length(*removed) }).await
}
