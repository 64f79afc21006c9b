//! Unary methods that are called with the bytes of their message, without a service in between: tonic's path from a
//! body to a message and back takes a seventh of a small call's instructions.

use std::fmt;
use std::future::{Future, ready};
use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use prism_proto::{Error, ErrorReason, codec, limits};
use prost::Message;
use rustc_hash::FxHashMap;
use tonic::codegen::BoxFuture;

use crate::context::Context;
use crate::message::PREFIX_BYTES;

/// The pending response to a call: a message with its prefix.
pub type Answer = BoxFuture<Bytes, Error>;

/// Calls one method with the bytes of its message.
pub type Call = Box<dyn Fn(Context, Bytes) -> Answer + Send + Sync>;

/// An interface whose methods are all unary.
pub struct Interface<B> {
    pub(crate) name: &'static str,
    pub(crate) descriptors: &'static [u8],
    pub(crate) methods: FxHashMap<String, Call>,
    backend: Arc<B>,
}

impl<B> fmt::Debug for Interface<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interface").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<B: Send + Sync + 'static> Interface<B> {
    /// An interface by its full name, described by an encoded file descriptor set, in front of a backend. Methods
    /// without a handler fail with UNIMPLEMENTED.
    pub fn new(name: &'static str, descriptors: &'static [u8], backend: Arc<B>) -> Self {
        Self { name, descriptors, methods: FxHashMap::default(), backend }
    }

    /// Serves the method of this name with `call`.
    #[must_use]
    pub fn method<Request, Response, Called>(
        mut self,
        name: &str,
        call: impl Fn(Arc<B>, Context, Request) -> Called + Send + Sync + 'static,
    ) -> Self
    where
        Request: Message + Default,
        Response: Message,
        Called: Future<Output = Result<Response, Error>> + Send + 'static,
    {
        let backend = Arc::clone(&self.backend);
        let call = move |context: Context, message: Bytes| -> Answer {
            match Request::decode(message) {
                Ok(request) => {
                    let called = call(Arc::clone(&backend), context, request);
                    Box::pin(async move { encode(&called.await?) })
                }
                Err(source) => Box::pin(ready(Err(codec::malformed(&source)))),
            }
        };
        self.methods.insert(format!("/{}/{name}", self.name), Box::new(call));
        self
    }
}

/// A message with its prefix.
fn encode(message: &impl Message) -> Result<Bytes, Error> {
    let len = message.encoded_len();
    if len > limits::MESSAGE_BYTES_MAX {
        let limit = limits::MESSAGE_BYTES_MAX;
        let why = format!("the response is {len} bytes long; the limit is {limit} bytes");
        return Err(Error::new(ErrorReason::Internal, why)
            .with("limit", limit.to_string())
            .with("size", len.to_string()));
    }
    let mut framed = BytesMut::with_capacity(PREFIX_BYTES + len);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(len).expect("the limit is below 4 GiB"));
    message.encode(&mut framed).expect("there is room for the whole message");
    Ok(framed.freeze())
}
