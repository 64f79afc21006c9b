//! tonic services behind the calls.
//!
//! tonic dispatches, decodes and encodes; what it would answer differently from the contract is answered before it:
//! an absent message, a large or badly framed one, an unknown method, an unknown compression.

use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context as Wake, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use http::header::{HeaderValue, SERVER};
use http::{Request, Response};
use http_body::{Body as _, Frame};
use prism_proto::methods::{self, Method, Methods};
use prism_proto::{Applied, Error, ErrorReason, INTERFACES_PREFIX, limits};
use rustc_hash::FxHashMap;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::server::NamedService;
use tower_service::Service;

use crate::call::{Call, Responder, wait_for_answer_room};
use crate::connection::Handler;
use crate::context::Context;
use crate::head::{self, GRPC_ENCODING};
use crate::message::{self, Encoding, Message};
use crate::pump::Incoming;
use crate::unary::{self, Interface};

/// A service as tonic generates it: it is always ready, and its clone is that of an `Arc`.
pub trait TonicService: NamedService + Clone + Send + Sync + 'static {
    /// Begins a call.
    fn begin(&self, request: Request<Body>) -> Answer;
}

impl<S> TonicService for S
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future = Answer>,
    S: NamedService + Clone + Send + Sync + 'static,
{
    fn begin(&self, request: Request<Body>) -> Answer {
        self.clone().call(request)
    }
}

/// A service's answer, once it is there.
pub type Answer = BoxFuture<Response<Body>, Infallible>;

/// Calls one service.
type CallService = Box<dyn Fn(Request<Body>) -> Answer + Send + Sync>;

/// Services as one: the seam between HTTP/2 streams and what answers them, and between the proxy and a plugin in the
/// same process. Cheap to clone.
#[derive(Clone)]
pub struct GrpcService(Arc<Parts>);

#[derive(Default)]
struct Parts {
    services: FxHashMap<&'static str, CallService>,
    unary: FxHashMap<String, unary::Call>,
    /// What tonic services say that they are, as the `server` header.
    server: Option<HeaderValue>,
}

impl fmt::Debug for GrpcService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.services.keys()).finish_non_exhaustive()
    }
}

impl GrpcService {
    fn call(&self, request: Request<Body>) -> Result<Answer, Error> {
        let path = request.uri().path();
        let call = self.0.services.get(methods::service_of(path)).ok_or_else(|| unknown_method(path))?;
        Ok(call(request))
    }

    /// What calls the method at `path` with the bytes of its message, if it is a unary method that can be called so.
    #[must_use]
    pub fn unary(&self, path: &str) -> Option<&unary::Call> {
        self.0.unary.get(path)
    }
}

/// A client has this long to send the message of a call, unless its own deadline is shorter.
const MESSAGE_MAX: Duration = Duration::from_secs(30);

/// Collects the services of a server.
#[derive(Default)]
pub struct Services {
    parts: Parts,
    names: Vec<&'static str>,
    descriptors: Vec<&'static [u8]>,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(&self.names).finish()
    }
}

impl Services {
    /// Adds a service, in place of one of the same name, and the encoded file descriptor set that describes it.
    #[must_use]
    pub fn add<S: TonicService>(mut self, service: S, descriptors: &'static [u8]) -> Self {
        self = self.named(S::NAME, descriptors);
        self.parts.services.insert(S::NAME, Box::new(move |request| service.begin(request)));
        self
    }

    /// Adds an interface of unary methods, in place of one of the same name.
    #[must_use]
    pub fn add_unary<B>(mut self, interface: Interface<B>) -> Self {
        self = self.named(interface.name, interface.descriptors);
        self.parts.unary.extend(interface.methods);
        self
    }

    /// Takes note of a service, and lets go of what answered for it before.
    fn named(mut self, name: &'static str, descriptors: &'static [u8]) -> Self {
        self.parts.services.remove(name);
        self.parts.unary.retain(|path, _| methods::service_of(path) != name);
        if !self.names.contains(&name) {
            self.names.push(name);
        }
        if !self.descriptors.contains(&descriptors) {
            self.descriptors.push(descriptors);
        }
        self
    }

    /// Lets the tonic services among them say what they are, as the `server` header of their answers.
    #[must_use]
    pub fn with_server(mut self, server: &'static str) -> Self {
        self.parts.server = Some(HeaderValue::from_static(server));
        self
    }

    /// The full names of the services added so far.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.names.clone()
    }

    /// The encoded file descriptor sets of the services added so far.
    #[must_use]
    pub fn descriptors(&self) -> &[&'static [u8]] {
        &self.descriptors
    }

    /// The services as one.
    ///
    /// # Panics
    /// A descriptor set that was compiled in does not decode.
    #[must_use]
    pub fn build(self) -> Served {
        let mut methods = Methods::default();
        for set in &self.descriptors {
            let set = <prost_types::FileDescriptorSet as prost::Message>::decode(*set)
                .expect("the descriptors were compiled in");
            methods.extend(methods::of_files(&set.file));
        }
        methods.retain(|path, _| self.names.contains(&methods::service_of(path)));
        Served { service: GrpcService(Arc::new(self.parts)), methods }
    }
}

/// Services as one, and what is known of their methods.
#[derive(Clone, Debug)]
pub struct Served {
    /// Answers the calls to all of them.
    pub service: GrpcService,
    /// Their methods, and no others.
    pub methods: Methods,
}

/// Answers calls with tonic services.
#[derive(Clone, Debug)]
pub struct ServiceHandler {
    service: GrpcService,
    shared: Arc<ServiceShared>,
}

#[derive(Debug)]
struct ServiceShared {
    methods: Methods,
    drain: CancellationToken,
}

impl ServiceHandler {
    /// Serves `services`; calls outside the interfaces, such as a Watch of the health, end when `drain` begins.
    #[must_use]
    pub fn new(services: Services, drain: CancellationToken) -> Self {
        let Served { service, methods } = services.build();
        Self { service, shared: Arc::new(ServiceShared { methods, drain }) }
    }

    async fn answer(
        &self,
        context: Context,
        body: RecvStream,
        responder: &mut Responder,
        acting: &AtomicBool,
    ) -> Result<(), Error> {
        let head = context.head();
        let path = head.uri.path();
        let Some(method) = self.shared.methods.get(path) else { return Err(unknown_method(path)) };
        let is_interface = path.strip_prefix('/').is_some_and(|path| path.starts_with(INTERFACES_PREFIX));
        let encoding = Encoding::of(&head.headers)?;
        if let Some(unary) = self.service.unary(path) {
            let mut message = only_message(body, &context).await?;
            let plain = if message.compressed {
                encoding.decompress(&mut message, limits::MESSAGE_BYTES_MAX, &context.peer().requests)?.into()
            } else {
                message.joined_payload()
            };
            if !context.peer().answers.has_room() {
                Box::pin(wait_for_answer_room(context.peer())).await?;
            }
            context.check_deadline()?;
            acting.store(true, Relaxed);
            return send_unary(unary(context, plain), responder).await;
        }
        let body = match method {
            Method { client_streaming: false, .. } => {
                let mut message = only_message(body, &context).await?;
                if !context.peer().answers.has_room() {
                    Box::pin(wait_for_answer_room(context.peer())).await?;
                }
                context.check_deadline()?;
                if message.compressed {
                    let share = &context.peer().requests;
                    let plain = encoding.decompress(&mut message, limits::MESSAGE_BYTES_MAX, share)?;
                    Body::new(Pieces::from(vec![message::framed(&plain)]))
                } else {
                    Body::new(Pieces::from(message.pieces().to_vec()))
                }
            }
            _ => Body::new(Incoming::new(body)),
        };
        acting.store(true, Relaxed);
        let mut request = Request::new(body);
        request.extensions_mut().insert(context.clone());
        let mut head = context.into_head();
        if !method.client_streaming {
            // What goes on is plain; and a client that may compress need not.
            head.headers.remove(GRPC_ENCODING);
        }
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) =
            (head.method, head.uri, head.headers);
        let sent = send(&self.service, request, responder);
        if is_interface {
            sent.await;
            return Ok(());
        }
        tokio::select! {
            // First, so that a watcher sees NOT_SERVING before its stream ends.
            biased;
            () = sent => Ok(()),
            () = self.shared.drain.cancelled() => Err(draining()),
        }
    }
}

/// Reads the message of a method that takes just one.
async fn only_message(mut body: RecvStream, context: &Context) -> Result<Message, Error> {
    let read = async {
        let share = &context.peer().requests;
        let message = message::read_first(&mut body, limits::MESSAGE_BYTES_MAX, share).await?;
        let message = message.ok_or_else(absent)?;
        message::read_end(&message, &mut body).await?;
        Ok(message)
    };
    let mut read = pin!(read);
    // Most messages are there with the head, and need no timer.
    if let Poll::Ready(read) = poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx))).await {
        return read;
    }
    // Boxed, since every call would have to have room for what few need.
    let read = Box::pin(tokio::time::timeout(MESSAGE_MAX, read)).await;
    read.unwrap_or_else(|_| Err(message::overdue(MESSAGE_MAX)))
}

impl Handler for ServiceHandler {
    const ENDS_AT_ONCE: bool = true;

    #[expect(
        clippy::manual_async_fn,
        reason = "an `async fn` has room for its argument twice, in each call under way"
    )]
    fn handle(&self, call: Call) -> impl Future<Output = ()> + Send {
        async move {
            let Call { context, body, mut responder } = call;
            let acting = AtomicBool::new(false);
            let answered = match context.deadline() {
                None => self.answer(context, body, &mut responder, &acting).await,
                Some(deadline) => {
                    let answer = Box::pin(self.answer(context, body, &mut responder, &acting));
                    let answered = tokio::time::timeout_at(deadline, answer).await;
                    answered.unwrap_or_else(|_| Err(head::deadline_exceeded(acting.load(Relaxed))))
                }
            };
            if let Err(error) = answered {
                responder.fail(&error.into());
            }
        }
    }
}

/// Sends the answer of a unary method. A client that goes ends the call.
///
/// # Errors
/// The method's; nothing has been sent then.
pub async fn send_unary(mut called: unary::Answer, responder: &mut Responder) -> Result<(), Error> {
    let answer = poll_fn(|cx| match called.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending => responder.poll_gone(cx).map(|()| None),
    });
    if let Some(message) = answer.await {
        responder.send_message(message?).await;
    }
    Ok(())
}

/// Calls a service and sends what it answers. A client that goes ends both.
pub async fn send(service: &GrpcService, request: Request<Body>, responder: &mut Responder) {
    let mut called = match service.call(request) {
        Ok(called) => called,
        Err(error) => return responder.fail(&error.into()),
    };
    let response = poll_fn(|cx| match called.as_mut().poll(cx) {
        Poll::Ready(Ok(response)) => Poll::Ready(Some(response)),
        Poll::Pending => responder.poll_gone(cx).map(|()| None),
    });
    let Some(response) = response.await else { return };
    let (mut head, body) = response.into_parts();
    if let Some(server) = &service.0.server {
        head.headers.insert(SERVER, server.clone());
    }
    let end = body.is_end_stream();
    if responder.send_head(Response::from_parts(head, ()), end).is_err() || end {
        return;
    }
    if let Err(status) = responder.send_body(pin!(body)).await {
        responder.fail(&status);
    }
}

/// The failure of a call to a method that is not there.
#[must_use]
pub fn unknown_method(path: &str) -> Error {
    let shown: String = path.chars().take(200).collect();
    Error::new(
        ErrorReason::MethodUnknown,
        format!("there is no method {shown}; reflection lists the services of this server"),
    )
}

/// The failure of a call that needs a message and has none.
#[must_use]
pub fn absent() -> Error {
    Error::new(ErrorReason::MalformedRequest, "the request holds no message")
}

fn draining() -> Error {
    Error::unavailable(ErrorReason::Draining, Applied::No, "the server is stopping; connect again")
}

/// A body of bytes that are there already, and of what may follow on the stream.
#[derive(Debug)]
pub struct Pieces {
    pieces: std::vec::IntoIter<Bytes>,
    following: Option<Incoming>,
}

impl From<Vec<Bytes>> for Pieces {
    fn from(pieces: Vec<Bytes>) -> Self {
        Self { pieces: pieces.into_iter(), following: None }
    }
}

impl Pieces {
    /// Goes on with what arrives.
    #[must_use]
    pub fn then(self, following: Incoming) -> Self {
        Self { following: Some(following), ..self }
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Wake<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        match (self.pieces.next(), &mut self.following) {
            (Some(piece), _) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            (None, Some(following)) => Pin::new(following).poll_frame(cx),
            (None, None) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.len() == 0 && self.following.as_ref().is_none_or(http_body::Body::is_end_stream)
    }
}

#[cfg(test)]
mod tests {
    use tonic_health::pb::health_server::{Health, HealthServer};
    use tonic_health::pb::{FILE_DESCRIPTOR_SET, HealthCheckRequest, HealthCheckResponse};

    use super::*;

    const NAME: &str = "grpc.health.v1.Health";
    const CHECK: &str = "/grpc.health.v1.Health/Check";

    fn unary() -> Interface<()> {
        let check =
            |_: Arc<()>, _: Context, _: HealthCheckRequest| async { Ok(HealthCheckResponse::default()) };
        Interface::new(NAME, FILE_DESCRIPTOR_SET, Arc::new(())).method("Check", check)
    }

    fn tonics() -> HealthServer<impl Health> {
        HealthServer::new(tonic_health::server::HealthService::from_health_reporter(Default::default()))
    }

    #[test]
    fn the_service_that_was_added_last_answers_for_its_name() {
        let last_tonics = Services::default().add_unary(unary()).add(tonics(), FILE_DESCRIPTOR_SET).build();
        assert!(last_tonics.service.unary(CHECK).is_none());
        assert!(last_tonics.service.0.services.contains_key(NAME));
        let last_unary = Services::default().add(tonics(), FILE_DESCRIPTOR_SET).add_unary(unary()).build();
        assert!(last_unary.service.unary(CHECK).is_some());
        assert!(!last_unary.service.0.services.contains_key(NAME));
    }
}
