//! `prism.interfaces.capabilities` over a fixed set of promises.

use std::sync::Arc;

use prism_proto::FILE_DESCRIPTOR_SET;
use prism_proto::interfaces::capabilities::{GetCapabilitiesRequest, GetCapabilitiesResponse};
use prism_runtime::unary::Interface;

use crate::types::Namespace;
use crate::{Capabilities, Error};

pub(crate) fn interface(capabilities: Capabilities) -> Interface<Capabilities> {
    let name = "prism.interfaces.capabilities.CapabilitiesInterface";
    Interface::new(name, FILE_DESCRIPTOR_SET, Arc::new(capabilities)).method("GetCapabilities", get)
}

async fn get(
    capabilities: Arc<Capabilities>,
    request: GetCapabilitiesRequest,
) -> Result<GetCapabilitiesResponse, Error> {
    Namespace::new(request.namespace)?;
    Ok((*capabilities).into())
}
