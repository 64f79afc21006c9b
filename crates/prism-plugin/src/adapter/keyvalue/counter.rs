//! Counters over a [`KeyValueCounter`] backend.

use std::sync::Arc;

use prism_grpc::Context;
use prism_grpc::interface::Interface;
use prism_proto::FILE_DESCRIPTOR_SET;
use prism_proto::interfaces::keyvalue::{IncrementRequest, IncrementResponse};
use prism_proto::rpc::{Rpc as _, keyvalue as rpc};

use crate::adapter::answer::answered;
use crate::error::Error;
use crate::keyvalue::KeyValueCounter;
use crate::types::{Key, Namespace, Ttl};

pub(crate) fn interface<B: KeyValueCounter>(backend: Arc<B>) -> Interface<B> {
    Interface::new(rpc::Increment::SERVICE, FILE_DESCRIPTOR_SET, backend)
        .unary::<rpc::Increment, _>(increment)
}

async fn increment<B: KeyValueCounter>(
    backend: Arc<B>,
    context: Context,
    request: IncrementRequest,
) -> Result<IncrementResponse, Error> {
    let IncrementRequest { namespace, key, delta, initial, ttl_millis } = request;
    let (namespace, key) = (Namespace::new(namespace)?, Key::new("key", key)?);
    let ttl = Ttl::of(None, ttl_millis)?;
    let sum = backend.increment(&context, namespace, key, delta, initial, ttl);
    answered(&context, sum, |sum| IncrementResponse { value: *sum }).await
}
