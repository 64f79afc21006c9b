//! Interfaces in front of a backend, method by method. Paths and messages come from the rpc's type.
//!
//! Unary methods are called with the bytes of their message: tonic's path from a body to a message and back takes a seventh
//! of a small call's instructions. Methods that stream are tonic's.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, ready};
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_core::Stream;
use prism_proto::codec::{self, Codec};
use prism_proto::rpc::{BidiStreaming, ServerStreaming, Unary};
use prism_proto::{Error, ErrorReason, limits};
use prost::Message;
use rustc_hash::FxHashMap;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::server::{Grpc, ServerStreamingService, StreamingService};
use tonic::{Request, Response, Status, Streaming};

use crate::context::Context;
use crate::message::PREFIX_BYTES;

/// The pending response to a call: a message with its prefix.
pub type Answer = BoxFuture<Bytes, Error>;

/// Calls one method with the bytes of its message.
pub type Call = Box<dyn Fn(Context, Bytes) -> Answer + Send + Sync>;

/// The pending response of a method that streams.
pub type StreamAnswer = BoxFuture<http::Response<Body>, Infallible>;

/// Calls one method that streams.
pub type StreamCall = Box<dyn Fn(http::Request<Body>) -> StreamAnswer + Send + Sync>;

/// An interface and what serves its methods.
pub struct Interface<B> {
    pub(crate) name: &'static str,
    pub(crate) descriptors: &'static [u8],
    pub(crate) unary: FxHashMap<String, Call>,
    pub(crate) streams: FxHashMap<String, StreamCall>,
    /// The paths of the unary methods whose requests name one key or list.
    pub(crate) keyed: Vec<&'static str>,
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
        let (unary, streams) = (FxHashMap::default(), FxHashMap::default());
        Self { name, descriptors, unary, streams, keyed: Vec::new(), backend }
    }

    /// Serves a unary method with `call`.
    #[must_use]
    pub fn unary<R: Unary, Called>(
        mut self,
        call: impl Fn(Arc<B>, Context, R::Request) -> Called + Send + Sync + 'static,
    ) -> Self
    where
        Called: Future<Output = Result<R::Response, Error>> + Send + 'static,
    {
        debug_assert_eq!(R::SERVICE, self.name, "a method of another interface");
        if matches!(R::SUBJECT, "key" | "list_key") {
            self.keyed.push(R::PATH);
        }
        self.bytes_method(R::PATH, call)
    }

    /// Serves a method that returns a stream with `call`.
    #[must_use]
    pub fn server_streaming<R: ServerStreaming, Called, S>(
        mut self,
        call: impl Fn(Arc<B>, Context, R::Request) -> Called + Send + Sync + 'static,
    ) -> Self
    where
        Called: Future<Output = Result<Response<S>, Error>> + Send + 'static,
        S: Stream<Item = Result<R::Response, Status>> + Send + 'static,
    {
        debug_assert_eq!(R::SERVICE, self.name, "a method of another interface");
        let method =
            StreamMethod { backend: Arc::clone(&self.backend), call: Arc::new(call), of: PhantomData };
        let call = move |request: http::Request<Body>| -> StreamAnswer {
            let method: StreamMethod<_, _, fn() -> (Called, S)> = method.clone();
            let codec = Codec::<R::Response, R::Request>::default();
            Box::pin(async move { Ok(limited(Grpc::new(codec)).server_streaming(method, request).await) })
        };
        self.streams.insert(R::PATH.to_owned(), Box::new(call));
        self
    }

    /// Serves a method with streams in both directions with `call`.
    #[must_use]
    pub fn bidi_streaming<R: BidiStreaming, Called, S>(
        mut self,
        call: impl Fn(Arc<B>, Context, Streaming<R::Request>) -> Called + Send + Sync + 'static,
    ) -> Self
    where
        Called: Future<Output = Result<Response<S>, Error>> + Send + 'static,
        S: Stream<Item = Result<R::Response, Status>> + Send + 'static,
    {
        debug_assert_eq!(R::SERVICE, self.name, "a method of another interface");
        let method =
            StreamMethod { backend: Arc::clone(&self.backend), call: Arc::new(call), of: PhantomData };
        let call = move |request: http::Request<Body>| -> StreamAnswer {
            let method: StreamMethod<_, _, fn() -> (Called, S)> = method.clone();
            let codec = Codec::<R::Response, R::Request>::default();
            Box::pin(async move { Ok(limited(Grpc::new(codec)).streaming(method, request).await) })
        };
        self.streams.insert(R::PATH.to_owned(), Box::new(call));
        self
    }

    /// Serves the unary method at a path with `call`.
    pub(crate) fn bytes_method<Request, Response, Called>(
        mut self,
        path: &str,
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
        self.unary.insert(path.to_owned(), Box::new(call));
        self
    }
}

fn limited<T: tonic::codec::Codec>(grpc: Grpc<T>) -> Grpc<T> {
    grpc.max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
        .max_encoding_message_size(limits::MESSAGE_BYTES_MAX)
}

/// A method that streams, as tonic calls it. `O` only names what the call returns.
struct StreamMethod<B, F, O> {
    backend: Arc<B>,
    call: Arc<F>,
    of: PhantomData<O>,
}

impl<B, F, O> Clone for StreamMethod<B, F, O> {
    fn clone(&self) -> Self {
        Self { backend: Arc::clone(&self.backend), call: Arc::clone(&self.call), of: PhantomData }
    }
}

impl<B, F, O> StreamMethod<B, F, O> {
    /// The response to a message or a stream of them.
    fn answer<T, Called, S>(&self, request: Request<T>) -> BoxFuture<Response<S>, Status>
    where
        F: Fn(Arc<B>, Context, T) -> Called,
        Called: Future<Output = Result<Response<S>, Error>> + Send + 'static,
    {
        let (_, extensions, message) = request.into_parts();
        let Some(context) = extensions.get().cloned() else {
            let error = Error::new(ErrorReason::Internal, "the call came without its context");
            return Box::pin(async move { Err(error.into()) });
        };
        let called = (self.call)(Arc::clone(&self.backend), context, message);
        Box::pin(async move { called.await.map_err(Status::from) })
    }
}

impl<B, F, M, N, Called, S> ServerStreamingService<M> for StreamMethod<B, F, fn() -> (Called, S)>
where
    F: Fn(Arc<B>, Context, M) -> Called,
    Called: Future<Output = Result<Response<S>, Error>> + Send + 'static,
    S: Stream<Item = Result<N, Status>>,
{
    type Response = N;
    type ResponseStream = S;
    type Future = BoxFuture<Response<S>, Status>;

    fn call(&mut self, request: Request<M>) -> Self::Future {
        self.answer(request)
    }
}

impl<B, F, M, N, Called, S> StreamingService<M> for StreamMethod<B, F, fn() -> (Called, S)>
where
    F: Fn(Arc<B>, Context, Streaming<M>) -> Called,
    Called: Future<Output = Result<Response<S>, Error>> + Send + 'static,
    S: Stream<Item = Result<N, Status>>,
{
    type Response = N;
    type ResponseStream = S;
    type Future = BoxFuture<Response<S>, Status>;

    fn call(&mut self, request: Request<Streaming<M>>) -> Self::Future {
        self.answer(request)
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
