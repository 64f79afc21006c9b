//! `prism.interfaces.capabilities` over a fixed set of promises.

use std::sync::Arc;

use prism_grpc::Context;
use prism_grpc::unary::Interface;
use prism_proto::FILE_DESCRIPTOR_SET;
use prism_proto::interfaces::capabilities::{GetCapabilitiesRequest, GetCapabilitiesResponse};

use crate::capabilities::Capabilities;
use crate::error::Error;
use crate::types::Namespace;

pub(crate) fn interface(capabilities: Capabilities) -> Interface<Capabilities> {
    let name = "prism.interfaces.capabilities.CapabilitiesInterface";
    Interface::new(name, FILE_DESCRIPTOR_SET, Arc::new(capabilities)).method("GetCapabilities", get)
}

async fn get(
    capabilities: Arc<Capabilities>,
    _: Context,
    request: GetCapabilitiesRequest,
) -> Result<GetCapabilitiesResponse, Error> {
    Namespace::new(request.namespace)?;
    Ok((*capabilities).into())
}
