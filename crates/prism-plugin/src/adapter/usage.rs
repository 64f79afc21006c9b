//! `prism.interfaces.usage` over a [`Usage`] backend.

use std::sync::Arc;

use prism_proto::interfaces::usage::usage_interface_server::UsageInterface;
use prism_proto::interfaces::usage::{GetUsageRequest, GetUsageResponse};
use tonic::{Request, Response, Status, async_trait};

use crate::Usage;
use crate::types::Namespace;

pub(crate) struct UsageAdapter<B>(pub(crate) Arc<B>);

#[async_trait]
impl<B: Usage> UsageInterface for UsageAdapter<B> {
    async fn get_usage(
        &self,
        request: Request<GetUsageRequest>,
    ) -> Result<Response<GetUsageResponse>, Status> {
        let used = self.0.usage(Namespace::new(request.into_inner().namespace)?).await?;
        Ok(Response::new(GetUsageResponse {
            keys: used.keys,
            lists: used.lists,
            backend_bytes: used.backend_bytes,
            backend_bytes_max: used.backend_bytes_max,
        }))
    }
}
