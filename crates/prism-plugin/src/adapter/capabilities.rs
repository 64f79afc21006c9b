//! `prism.interfaces.capabilities` over a fixed set of promises.

use prism_proto::interfaces::capabilities::capabilities_interface_server::CapabilitiesInterface;
use prism_proto::interfaces::capabilities::{GetCapabilitiesRequest, GetCapabilitiesResponse};
use tonic::{Request, Response, Status, async_trait};

use crate::Capabilities;
use crate::types::Namespace;

pub(crate) struct CapabilitiesAdapter(pub(crate) Capabilities);

#[async_trait]
impl CapabilitiesInterface for CapabilitiesAdapter {
    async fn get_capabilities(
        &self,
        request: Request<GetCapabilitiesRequest>,
    ) -> Result<Response<GetCapabilitiesResponse>, Status> {
        Namespace::new(request.into_inner().namespace)?;
        Ok(Response::new(self.0.into()))
    }
}
