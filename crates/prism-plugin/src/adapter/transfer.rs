//! `prism.interfaces.transfer` over a [`Transfer`] backend.

mod export;
mod import;
mod parts;
mod place;

use std::sync::Arc;

use prism_grpc::interface::Interface;
use prism_proto::FILE_DESCRIPTOR_SET;
use prism_proto::rpc::{Rpc as _, transfer as rpc};

use crate::transfer::Transfer;
use parts::Share;

/// A backend, and what all imports into it have in common.
struct Serving<B> {
    backend: Arc<B>,
    share: Arc<Share>,
}

pub(crate) fn interface<B: Transfer>(backend: Arc<B>) -> Interface<impl Sized> {
    let serving = Serving { backend, share: Arc::default() };
    Interface::new(rpc::Export::SERVICE, FILE_DESCRIPTOR_SET, Arc::new(serving))
        .server_streaming::<rpc::Export, _, _>(export::export)
        .bidi_streaming::<rpc::Import, _, _>(import::import)
}
