//! `prism.interfaces.usage` over a [`Usage`] backend.

use std::sync::Arc;

use prism_grpc::Context;
use prism_grpc::interface::Interface;
use prism_proto::FILE_DESCRIPTOR_SET;
use prism_proto::interfaces::usage::{GetUsageRequest, GetUsageResponse};
use prism_proto::rpc::Rpc as _;
use prism_proto::rpc::usage::GetUsage;

use crate::error::Error;
use crate::types::Namespace;
use crate::usage::Usage;

pub(crate) fn interface<B: Usage>(backend: Arc<B>) -> Interface<B> {
    Interface::new(GetUsage::SERVICE, FILE_DESCRIPTOR_SET, backend).unary::<GetUsage, _>(get)
}

async fn get<B: Usage>(
    backend: Arc<B>,
    context: Context,
    request: GetUsageRequest,
) -> Result<GetUsageResponse, Error> {
    let used = backend.usage(&context, Namespace::new(request.namespace)?).await?;
    Ok(GetUsageResponse {
        keys: used.keys,
        lists: used.lists,
        backend_bytes: used.backend_bytes,
        backend_bytes_max: used.backend_bytes_max,
    })
}
