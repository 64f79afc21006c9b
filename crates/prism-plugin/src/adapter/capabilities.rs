//! `prism.interfaces.capabilities` over a backend's promises.

use std::sync::Arc;

use prism_grpc::Context;
use prism_grpc::interface::Interface;
use prism_proto::FILE_DESCRIPTOR_SET;
use prism_proto::interfaces::capabilities::{GetCapabilitiesRequest, GetCapabilitiesResponse};
use prism_proto::rpc::Rpc as _;
use prism_proto::rpc::capabilities::GetCapabilities;

use crate::capabilities::Capabilities;
use crate::error::Error;
use crate::types::Namespace;

/// Returns a backend's current promises.
type Ask = Box<dyn Fn() -> Capabilities + Send + Sync>;

pub(crate) fn interface(ask: impl Fn() -> Capabilities + Send + Sync + 'static) -> Interface<Ask> {
    let ask: Ask = Box::new(ask);
    Interface::new(GetCapabilities::SERVICE, FILE_DESCRIPTOR_SET, Arc::new(ask))
        .unary::<GetCapabilities, _>(get)
}

async fn get(
    ask: Arc<Ask>,
    _: Context,
    request: GetCapabilitiesRequest,
) -> Result<GetCapabilitiesResponse, Error> {
    Namespace::new(request.namespace)?;
    Ok(ask().into())
}
