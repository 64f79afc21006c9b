//! Interfaces in front of a backend, method by method. Paths and messages come from the rpc's type.
//!
//! Methods that take one message are called with its bytes: tonic's path from a body to a message and back takes a seventh
//! of a small call's instructions. Methods that take a stream are tonic's.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, ready};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::Stream;
use futures_core::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _, TryFutureExt as _, TryStreamExt as _};
use http::{HeaderMap, HeaderValue};
use http_body::Body;
use prism_proto::codec::{self, Codec};
use prism_proto::rpc::{BidiStreaming, ServerStreaming, Unary};
use prism_proto::{Error, ErrorReason, limits};
use prost::Message;
use rustc_hash::FxHashMap;
use tonic::body::Body as TonicBody;
use tonic::codegen::BoxFuture;
use tonic::metadata::MetadataMap;
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};

use crate::context::Context;
use crate::frames::{Frames, encode};

/// The pending response to a call: a message with its prefix.
pub type Answer = BoxFuture<Bytes, Error>;

/// Calls a unary method with the bytes of its message.
pub type UnaryCall = Box<dyn Fn(Context, Bytes) -> Answer + Send + Sync>;

/// The pending response of a method that returns a stream.
pub type StreamAnswer = BoxFuture<Streamed<Messages>, Error>;

/// Messages with their prefixes, and the trailers.
pub type Messages = Pin<Box<dyn Body<Data = Bytes, Error = Error> + Send>>;

/// Calls a method that returns a stream with the bytes of its message.
pub type StreamCall = Box<dyn Fn(Context, Bytes) -> StreamAnswer + Send + Sync>;

/// A method that takes one message.
pub enum Method {
    /// It returns one, too.
    Unary(UnaryCall),
    /// It returns a stream.
    Streaming(StreamCall),
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unary(_) => "Unary",
            Self::Streaming(_) => "Streaming",
        })
    }
}

/// The pending response of tonic.
pub type TonicAnswer = BoxFuture<http::Response<TonicBody>, Infallible>;

/// Calls a service or a method of tonic.
pub type TonicCall = Box<dyn Fn(http::Request<TonicBody>) -> TonicAnswer + Send + Sync>;

/// The response of a method that returns a stream: headers of its head, and the messages.
#[derive(Debug)]
pub struct Streamed<S> {
    pub(crate) headers: HeaderMap,
    pub(crate) messages: S,
}

impl<S> Streamed<S> {
    /// With no headers of its own.
    pub fn new(messages: S) -> Self {
        Self { headers: HeaderMap::new(), messages }
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<HeaderValue>) -> Self {
        self.headers.insert(name, value.into());
        self
    }
}

/// The messages of a stream, as many at a time as are ready. After an error there are none.
pub trait Chunks<M>: Stream<Item = Result<Vec<M>, Error>> + Send + 'static {}

impl<M, S: Stream<Item = Result<Vec<M>, Error>> + Send + 'static> Chunks<M> for S {}

/// An interface and what serves its methods.
pub struct Interface<B> {
    pub(crate) name: &'static str,
    pub(crate) descriptors: &'static [u8],
    pub(crate) methods: FxHashMap<String, Method>,
    /// Those that take a stream.
    pub(crate) streams: FxHashMap<String, TonicCall>,
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
        let (methods, streams) = (FxHashMap::default(), FxHashMap::default());
        Self { name, descriptors, methods, streams, keyed: Vec::new(), backend }
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
        Called: Future<Output = Result<Streamed<S>, Error>> + Send + 'static,
        S: Chunks<R::Response>,
        R::Response: Unpin,
    {
        debug_assert_eq!(R::SERVICE, self.name, "a method of another interface");
        let backend = Arc::clone(&self.backend);
        let call = move |context: Context, message: Bytes| -> StreamAnswer {
            match R::Request::decode(message) {
                Ok(request) => {
                    let called = call(Arc::clone(&backend), context, request);
                    Box::pin(called.map_ok(|Streamed { headers, messages }| {
                        let frames: Messages = Box::pin(Frames::new(messages));
                        Streamed { headers, messages: frames }
                    }))
                }
                Err(source) => Box::pin(ready(Err(codec::malformed(&source)))),
            }
        };
        self.methods.insert(R::PATH.to_owned(), Method::Streaming(Box::new(call)));
        self
    }

    /// Serves a method with streams in both directions with `call`.
    #[must_use]
    pub fn bidi_streaming<R: BidiStreaming, Called, S>(
        mut self,
        call: impl Fn(Arc<B>, Context, Streaming<R::Request>) -> Called + Send + Sync + 'static,
    ) -> Self
    where
        Called: Future<Output = Result<Streamed<S>, Error>> + Send + 'static,
        S: Stream<Item = Result<R::Response, Error>> + Send + 'static,
    {
        debug_assert_eq!(R::SERVICE, self.name, "a method of another interface");
        let method =
            StreamMethod { backend: Arc::clone(&self.backend), call: Arc::new(call), of: PhantomData };
        let call = move |request: http::Request<TonicBody>| -> TonicAnswer {
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
                    // Not an `async` block, which would store the method's future twice.
                    Box::pin(call(Arc::clone(&backend), context, request).map(|result| encode(&result?)))
                }
                Err(source) => Box::pin(ready(Err(codec::malformed(&source)))),
            }
        };
        self.methods.insert(path.to_owned(), Method::Unary(Box::new(call)));
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

impl<B, F, M, N, Called, S> StreamingService<M> for StreamMethod<B, F, fn() -> (Called, S)>
where
    F: Fn(Arc<B>, Context, Streaming<M>) -> Called,
    Called: Future<Output = Result<Streamed<S>, Error>> + Send + 'static,
    S: Stream<Item = Result<N, Error>> + Send + 'static,
    N: 'static,
{
    type Response = N;
    type ResponseStream = BoxStream<'static, Result<N, Status>>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<Streaming<M>>) -> Self::Future {
        let (_, extensions, messages) = request.into_parts();
        let Some(context) = extensions.get().cloned() else {
            let error = Error::new(ErrorReason::Internal, "the call came without its context");
            return Box::pin(ready(Err(error.into())));
        };
        let called = (self.call)(Arc::clone(&self.backend), context, messages);
        Box::pin(async move {
            let Streamed { headers, messages } = called.await?;
            let mut response = Response::new(messages.map_err(Status::from).boxed());
            *response.metadata_mut() = MetadataMap::from_headers(headers);
            Ok(response)
        })
    }
}
