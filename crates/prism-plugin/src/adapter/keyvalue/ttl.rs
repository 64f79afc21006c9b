//! Times to live over a [`KeyValueTtl`] backend.

use std::sync::Arc;

use prism_grpc::Context;
use prism_grpc::interface::Interface;
use prism_proto::FILE_DESCRIPTOR_SET;
use prism_proto::interfaces::keyvalue::{
    ExpireRequest, ExpireResponse, GetTtlRequest, GetTtlResponse, PersistRequest, PersistResponse,
};
use prism_proto::rpc::{Rpc as _, keyvalue as rpc};

use super::{millis_left, missing};
use crate::adapter::answer::answered_or;
use crate::error::Error;
use crate::keyvalue::KeyValueTtl;
use crate::types::{Key, Namespace, Ttl};

pub(crate) fn interface<B: KeyValueTtl>(backend: Arc<B>) -> Interface<B> {
    Interface::new(rpc::GetTtl::SERVICE, FILE_DESCRIPTOR_SET, backend)
        .unary::<rpc::GetTtl, _>(get_ttl)
        .unary::<rpc::Expire, _>(expire)
        .unary::<rpc::Persist, _>(persist)
}

async fn get_ttl<B: KeyValueTtl>(
    backend: Arc<B>,
    context: Context,
    request: GetTtlRequest,
) -> Result<GetTtlResponse, Error> {
    let GetTtlRequest { namespace, key } = request;
    let left = backend.ttl_left(&context, Namespace::new(namespace)?, Key::new("key", key)?).await?;
    Ok(GetTtlResponse { ttl_millis_left: left.ok_or_else(missing)?.map(millis_left) })
}

async fn expire<B: KeyValueTtl>(
    backend: Arc<B>,
    context: Context,
    request: ExpireRequest,
) -> Result<ExpireResponse, Error> {
    let ExpireRequest { namespace, key, ttl_millis } = request;
    let (namespace, key) = (Namespace::new(namespace)?, Key::new("key", key)?);
    let expired = backend.expire(&context, namespace, key, Ttl::from_millis(ttl_millis)?);
    answered_or(&context, expired, |exists| exists.then_some(ExpireResponse {}), missing).await
}

async fn persist<B: KeyValueTtl>(
    backend: Arc<B>,
    context: Context,
    request: PersistRequest,
) -> Result<PersistResponse, Error> {
    let PersistRequest { namespace, key } = request;
    let persisted = backend.persist(&context, Namespace::new(namespace)?, Key::new("key", key)?);
    let answer = |had_ttl: &Option<bool>| had_ttl.map(|had_ttl| PersistResponse { had_ttl });
    answered_or(&context, persisted, answer, missing).await
}
