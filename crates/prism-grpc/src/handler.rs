//! Serves calls with services.
//!
//! tonic dispatches, decodes and encodes. Where it would deviate from the contract, the response is given here: for a
//! message that is missing, too large or badly framed, an unknown method, an unknown compression.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::SERVER;
use http::{Request, Response};
use http_body::Body as _;
use prism_http2::RecvStream;
use prism_proto::methods::{Method, Methods};
use prism_proto::{Applied, Error, ErrorReason, INTERFACES_PREFIX, limits};
use tokio::time::{timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::BoxFuture;

use crate::authenticate::Authenticate;
use crate::call::{Call, Responder, wait_for_answer_room};
use crate::connection::Handler;
use crate::context::Context;
use crate::head::{self, GRPC_ENCODING};
use crate::incoming::{Incoming, Pieces};
use crate::interface::{self, Streamed};
use crate::message::{self, Encoding, Message};
use crate::service::{GrpcService, Served, Services, unknown_method};

/// How long a client has to send a call's message, unless its own deadline is shorter.
const MESSAGE_MAX: Duration = Duration::from_secs(30);

/// Serves calls with tonic services.
#[derive(Clone, Debug)]
pub struct ServiceHandler {
    service: GrpcService,
    shared: Arc<ServiceShared>,
}

#[derive(Debug)]
struct ServiceShared {
    methods: Methods,
    drain: CancellationToken,
    authenticate: Option<Arc<dyn Authenticate>>,
}

impl ServiceHandler {
    /// Serves `services`. Calls outside the interfaces, such as health's Watch, end when `drain` begins.
    #[must_use]
    pub fn new(services: Services, drain: CancellationToken) -> Self {
        Self::identifying(services, drain, None)
    }

    /// The same, and the callers must be known to `authenticate`, if any.
    #[must_use]
    pub fn identifying(
        services: Services,
        drain: CancellationToken,
        authenticate: Option<Arc<dyn Authenticate>>,
    ) -> Self {
        let Served { service, methods, .. } = services.build();
        Self { service, shared: Arc::new(ServiceShared { methods, drain, authenticate }) }
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
        let encoding = Encoding::of(&head.headers)?;
        if let Some(method) = self.service.method(path) {
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
            return send_answer(method, context, plain, responder).await;
        }
        // Boxed, because otherwise every call would reserve space for what few need.
        Box::pin(self.answer_by_service(context, *method, encoding, body, responder, acting)).await
    }

    /// Serves a call to a method of tonic.
    async fn answer_by_service(
        &self,
        context: Context,
        method: Method,
        encoding: Encoding,
        body: RecvStream,
        responder: &mut Responder,
        acting: &AtomicBool,
    ) -> Result<(), Error> {
        let path = context.head().uri.path();
        let is_interface = path.strip_prefix('/').is_some_and(|path| path.starts_with(INTERFACES_PREFIX));
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
            // The forwarded message is uncompressed, and a client that may compress need not.
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

/// Reads the message of a method that takes exactly one.
async fn only_message(mut body: RecvStream, context: &Context) -> Result<Message, Error> {
    let read = async {
        let share = &context.peer().requests;
        let message = message::read_first(&mut body, limits::MESSAGE_BYTES_MAX, share).await?;
        let message = message.ok_or_else(absent)?;
        message::read_end(&message, &mut body).await?;
        Ok(message)
    };
    let mut read = pin!(read);
    // Most messages arrive with the head and need no timer.
    if let Poll::Ready(read) = poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx))).await {
        return read;
    }
    // Boxed, because otherwise every call would reserve space for what few need.
    let read = Box::pin(timeout(MESSAGE_MAX, read)).await;
    read.unwrap_or_else(|_| Err(message::overdue(MESSAGE_MAX)))
}

impl Handler for ServiceHandler {
    const ENDS_AT_ONCE: bool = true;

    #[expect(
        clippy::manual_async_fn,
        reason = "an `async fn` stores its argument twice, in each call in flight"
    )]
    fn handle(self: Arc<Self>, mut call: Call) -> impl Future<Output = ()> + Send + 'static {
        async move {
            if let Some(authenticate) = &self.shared.authenticate {
                match authenticate.identify(&call.context) {
                    Ok(identity) => call.context = call.context.made_by(identity),
                    Err(error) => return call.responder.fail(&error.into()),
                }
            }
            let acting = AtomicBool::new(false);
            let deadline = call.context.deadline();
            let answered = {
                let mut answer = pin!(self.answer(call.context, call.body, &mut call.responder, &acting));
                // Most calls are answered at once and need no timer.
                match (poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await, deadline) {
                    (Poll::Ready(answered), _) => answered,
                    (Poll::Pending, None) => answer.await,
                    (Poll::Pending, Some(deadline)) => timeout_at(deadline, answer)
                        .await
                        .unwrap_or_else(|_| Err(head::deadline_exceeded(acting.load(Relaxed)))),
                }
            };
            if let Err(error) = answered {
                call.responder.fail(&error.into());
            }
        }
    }
}

/// Calls a method and sends its response. The call ends when the client leaves.
///
/// # Errors
/// The method's. The end of the response has not been sent in that case.
pub async fn send_answer(
    method: &interface::Method,
    context: Context,
    message: Bytes,
    responder: &mut Responder,
) -> Result<(), Error> {
    match method {
        interface::Method::Unary(call) => {
            if let Some(message) = unless_gone(call(context, message), responder).await {
                responder.send_message(message?).await;
            }
            Ok(())
        }
        // Boxed, because otherwise every call would reserve space for what few need.
        interface::Method::Streaming(call) => Box::pin(send_stream(call(context, message), responder)).await,
    }
}

async fn send_stream(called: interface::StreamAnswer, responder: &mut Responder) -> Result<(), Error> {
    let Some(answer) = unless_gone(called, responder).await else { return Ok(()) };
    let Streamed { headers, messages } = answer?;
    if responder.send_messages_head(headers).is_ok() {
        responder.send_body(pin!(messages)).await?;
    }
    Ok(())
}

/// What is called returns, or `None` once the client is gone.
async fn unless_gone<T>(
    mut called: BoxFuture<T, Error>,
    responder: &mut Responder,
) -> Option<Result<T, Error>> {
    poll_fn(|cx| match called.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending => responder.poll_gone(cx).map(|()| None),
    })
    .await
}

/// Calls a service and sends its response. Both end when the client leaves.
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
    if let Some(server) = service.server() {
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

/// The error of a call that needs a message and has none.
#[must_use]
pub fn absent() -> Error {
    Error::new(ErrorReason::MalformedRequest, "the request contains no message")
}

fn draining() -> Error {
    Error::unavailable(ErrorReason::Draining, Applied::No, "the server is stopping; reconnect")
}
