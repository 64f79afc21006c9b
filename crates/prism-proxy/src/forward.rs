//! One call's way through the proxy.
//!
//! The first message is read whole and walked for its namespace; then head, message and everything after it go to
//! the backend, and everything it answers comes back, frame by frame, under flow control. Nothing is decoded.
//!
//! A call is sent a second time only if the backend surely has not acted on the first: it refused the stream, or
//! said by GOAWAY that it would not look at it, or the connection was gone before the call was on it.

use std::borrow::Cow;
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::header::{AUTHORIZATION, HeaderName};
use http::uri::{self, Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, Request, Response, StatusCode, Version, request};
use prism_proto::methods::{self, Method};
use prism_proto::{Error, INTERFACES_PREFIX, limits};
use prism_runtime::call::{self, Call, GRPC_ENCODING, GRPC_TIMEOUT, Responder};
use prism_runtime::connection::Handler;
use prism_runtime::message::{self, Budget, Encoding, Message};
use prism_runtime::pump::{Incoming, PumpError, Sent, pump};
use prism_runtime::service::{self, Pieces, ServiceHandler};
use prism_runtime::traces::Span;
use tokio::time::{Instant, timeout_at};
use tonic::Code;
use tonic::body::Body;

use crate::access::AccessLog;
use crate::endpoint::Endpoint;
use crate::error;
use crate::limit::InFlight;
use crate::namespace;
use crate::route::{Backend, Remote, Route, RouteTable};
use crate::traffic::{Ongoing, Unrouted};
use crate::upstream::{Kind, Place, Unreachable, Upstreams};

/// A client has this long to send the first message, which names the namespace, unless its own deadline is shorter.
const FIRST_MESSAGE_MAX: Duration = Duration::from_secs(30);

/// Bytes of incomplete first messages that the process holds at once: 64 of the largest.
const BUDGET_BYTES: usize = 64 * limits::MESSAGE_BYTES_MAX;

/// The authority of calls to a Unix socket, which has none of its own.
const UNIX_AUTHORITY: &str = "localhost";

/// What all workers of a proxy share.
#[derive(Debug)]
pub struct Shared {
    /// The routes in force.
    pub table: ArcSwap<RouteTable>,
    pub(crate) unrouted: Unrouted,
    access_log: AccessLog,
    budget: Budget,
}

impl Shared {
    /// Begins with a table.
    #[must_use]
    pub fn new(table: RouteTable, access_log: AccessLog) -> Arc<Self> {
        Arc::new(Self {
            table: ArcSwap::from_pointee(table),
            unrouted: Unrouted::default(),
            access_log,
            budget: Budget::new(BUDGET_BYTES),
        })
    }
}

/// Forwards the calls of one worker.
#[derive(Clone, Debug)]
pub struct Forwarder {
    shared: Arc<Shared>,
    upstreams: Upstreams,
    own: ServiceHandler,
}

impl Handler for Forwarder {
    /// It waits for the backend.
    const ENDS_AT_ONCE: bool = false;

    #[expect(
        clippy::manual_async_fn,
        reason = "an `async fn` has room for its argument twice, in each call under way"
    )]
    fn handle(&self, call: Call) -> impl Future<Output = ()> + Send {
        async move {
            let is_interface =
                |path: &str| path.strip_prefix('/').is_some_and(|path| path.starts_with(INTERFACES_PREFIX));
            if !is_interface(call.head.uri.path()) {
                return Box::pin(self.own.handle(call)).await;
            }
            let Call { head, body, mut responder } = call;
            let begun = Instant::now();
            let mut ongoing = None;
            let forwarded = self.forward(&head, body, begun, &mut responder, &mut ongoing).await;
            if let Err(error) = forwarded {
                tracing::debug!(reason = %error.reason, %error, "a call failed");
                responder.fail(&error.into());
            }
            let (sent, took) = (responder.sent(), begun.elapsed());
            let (namespace, received) = match &ongoing {
                Some(ongoing) => (Some(ongoing.namespace()), ongoing.request_bytes()),
                None => (None, 0),
            };
            if let (Some(span), Some(namespace)) = (&mut responder.span, namespace) {
                span.set_namespace(namespace);
            }
            self.shared.access_log.note(&head, responder.span.as_deref(), namespace, took, received, sent);
            match ongoing {
                Some(ongoing) => ongoing.end(took, sent),
                None => self.shared.unrouted.count(sent.code.unwrap_or(Code::Cancelled)),
            }
        }
    }
}

/// A call whose route is known.
struct Routed<'a> {
    route: Arc<Route>,
    method: Method,
    head: &'a request::Parts,
    message: Message,
    /// The message's bytes where they came compressed.
    plain: Option<Vec<u8>>,
    deadline: Option<Instant>,
    _in_flight: Option<InFlight>,
}

impl Forwarder {
    /// A forwarder for the worker it is made on. Calls that are not to an interface go to the proxy's own services.
    #[must_use]
    pub fn new(shared: Arc<Shared>, own: ServiceHandler) -> Self {
        let upstreams = Upstreams::default();
        tokio::spawn(upstreams.clone().close_unused());
        Self { shared, upstreams, own }
    }

    async fn forward(
        &self,
        head: &request::Parts,
        mut body: RecvStream,
        arrived: Instant,
        responder: &mut Responder,
        ongoing: &mut Option<Ongoing>,
    ) -> Result<(), Error> {
        let timeout = call::timeout(&head.headers)?;
        let first_max = timeout.unwrap_or(FIRST_MESSAGE_MAX).min(FIRST_MESSAGE_MAX);
        let routed = timeout_at(arrived + first_max, self.route(head, &mut body, arrived, ongoing)).await;
        let mut routed = routed.map_err(|_| call::deadline_exceeded())??;
        let unary_max = routed.method.is_unary().then_some(routed.route.settings.timeout);
        // A deadline beyond what the clock can express is none.
        routed.deadline = timeout.or(unary_max).and_then(|limit| arrived.checked_add(limit));
        match routed.deadline {
            None => self.send(routed, body, responder, ongoing.as_ref()).await,
            Some(deadline) => {
                let sent = self.send(routed, body, responder, ongoing.as_ref());
                timeout_at(deadline, sent).await.unwrap_or_else(|_| Err(call::deadline_exceeded()))
            }
        }
    }

    /// Reads the first message, or all there is of a method that takes just one, and finds its route.
    async fn route<'a>(
        &self,
        head: &'a request::Parts,
        body: &mut RecvStream,
        arrived: Instant,
        ongoing: &mut Option<Ongoing>,
    ) -> Result<Box<Routed<'a>>, Error> {
        let encoding = Encoding::of(&head.headers)?;
        let message = message::read_first(body, limits::MESSAGE_BYTES_MAX, &self.shared.budget).await?;
        let message = message.ok_or_else(service::absent)?;
        let plain = if message.compressed {
            Some(encoding.decompress(&message, limits::MESSAGE_BYTES_MAX)?)
        } else {
            None
        };
        let namespace: Cow<'_, str> = match &plain {
            Some(plain) => namespace::find([plain.as_slice()].into_iter())?,
            None => namespace::find(message.payload())?,
        };
        let route = self.shared.table.load().route(&namespace)?;
        drop(namespace);
        let path = head.uri.path();
        let method = route.method(path);
        let described = method.as_ref().is_ok_and(|method| *method != Method::UNKNOWN).then_some(path);
        let counted = ongoing.insert(route.traffic.begin(described, arrived.into_std()));
        counted.received(message.wire_len());
        let len = plain.as_ref().map_or(message.len, Vec::len);
        let max = route.settings.message_bytes_max;
        if len > max {
            return Err(message::too_large(len, max).with("namespace", &route.settings.name));
        }
        route.check_interface(methods::service_of(path))?;
        let method = method?;
        let in_flight = route.admit(method, arrived.into_std())?;
        if !method.client_streaming {
            message::read_end(&message, body).await?;
        }
        Ok(Box::new(Routed { route, method, head, message, plain, deadline: None, _in_flight: in_flight }))
    }

    async fn send(
        &self,
        routed: Box<Routed<'_>>,
        body: RecvStream,
        responder: &mut Responder,
        ongoing: Option<&Ongoing>,
    ) -> Result<(), Error> {
        match &routed.route.backend {
            Backend::Embedded(served) => {
                if let Some(unary) = served.service.unary(routed.head.uri.path()) {
                    let message = routed.plain.map_or_else(|| routed.message.joined_payload(), Bytes::from);
                    return service::send_unary(unary(message), responder).await;
                }
                let request = embedded_request(&routed, body);
                Box::pin(service::send(&served.service, request, responder)).await;
                Ok(())
            }
            Backend::Remote(remote) => {
                Exchange { upstreams: &self.upstreams, remote, routed: &routed, ongoing }
                    .run(body, responder)
                    .await
            }
        }
    }
}

/// The call as a plugin in this process gets it.
fn embedded_request(routed: &Routed<'_>, body: RecvStream) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = routed.head.uri.clone();
    *request.method_mut() = routed.head.method.clone();
    *request.headers_mut() = passed_on(&routed.head.headers);
    let pieces = match &routed.plain {
        Some(plain) => vec![message::framed(plain)],
        None => routed.message.pieces().to_vec(),
    };
    if !routed.method.client_streaming {
        // All there is, is plain; and a client that may compress need not.
        request.headers_mut().remove(GRPC_ENCODING);
    }
    *request.body_mut() = if routed.method.client_streaming {
        let rest = routed.message.rest.clone();
        let pieces: Vec<_> = pieces.into_iter().chain([rest]).collect();
        Body::new(Pieces::from(pieces).then(Incoming::new(body)))
    } else {
        Body::new(Pieces::from(pieces))
    };
    request
}

/// The headers that go on: all but the credentials, which are the proxy's, and `prism-*`, which a client may not
/// claim.
fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut passed_on = headers.clone();
    passed_on.remove(AUTHORIZATION);
    let is_ours = |name: &&HeaderName| name.as_str().starts_with("prism-");
    let ours: Vec<_> = headers.keys().filter(is_ours).cloned().collect();
    for name in ours {
        passed_on.remove(name);
    }
    passed_on
}

/// A call's exchange with a backend behind a connection.
struct Exchange<'a> {
    upstreams: &'a Upstreams,
    remote: &'a Arc<Remote>,
    routed: &'a Routed<'a>,
    ongoing: Option<&'a Ongoing>,
}

/// How far one attempt came.
enum Attempt {
    /// The call has ended.
    Done,
    /// The backend has not looked at the call.
    Unseen(h2::Error),
}

/// How a backend ended a call, as far as is known.
fn ended_with(attempt: &Result<Attempt, Error>, responder: &Responder) -> Option<Code> {
    match attempt {
        Ok(Attempt::Done) => responder.sent().code,
        Ok(Attempt::Unseen(_)) => Some(Code::Unavailable),
        Err(error) => Some(error.reason.code()),
    }
}

impl Exchange<'_> {
    async fn run(&self, body: RecvStream, responder: &mut Responder) -> Result<(), Error> {
        let Routed { route, method, .. } = self.routed;
        let kind = if method.is_unary() { Kind::Unary } else { Kind::Streaming };
        let mut body = Some(body);
        let mut attempts_left = 2;
        loop {
            attempts_left -= 1;
            let unreachable = |why: &dyn Display| {
                error::backend_unreachable(&route.settings.name, &self.remote.endpoint, &why.to_string())
            };
            let Some(place) = self.place(kind, responder).await else { return Ok(()) };
            let place = place.map_err(|why| unreachable(&why))?;
            let mut span = responder.span.as_deref().and_then(|span| {
                let (server, port) = self.remote.endpoint.server();
                span.sent_to(&server, port)
            });
            let attempt = self.attempt(place, &mut body, responder, span.as_deref()).await;
            if let (Some(span), Some(code)) = (&mut span, ended_with(&attempt, responder)) {
                span.set_code(code);
            }
            match attempt? {
                Attempt::Done => return Ok(()),
                Attempt::Unseen(_) if attempts_left > 0 && (body.is_some() || !method.client_streaming) => {
                    self.remote.retried();
                }
                Attempt::Unseen(why) => return Err(unreachable(&why)),
            }
        }
    }

    /// A place on a connection to the backend; `None` when the client is gone.
    async fn place(&self, kind: Kind, responder: &mut Responder) -> Option<Result<Place, Unreachable>> {
        let mut placed = pin!(self.upstreams.place(self.remote, kind));
        poll_fn(|cx| match placed.as_mut().poll(cx) {
            Poll::Ready(place) => Poll::Ready(Some(place)),
            Poll::Pending => responder.poll_gone(cx).map(|()| None),
        })
        .await
    }

    /// The head as the backend gets it, with what is left of the deadline.
    fn request(&self, span: Option<&Span>) -> Request<()> {
        let Routed { head, deadline, .. } = self.routed;
        let authority = match &self.remote.endpoint {
            Endpoint::Tcp(authority) => authority.clone(),
            Endpoint::Unix(_) | Endpoint::Embedded(_) => Authority::from_static(UNIX_AUTHORITY),
        };
        let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let mut uri = uri::Parts::default();
        (uri.scheme, uri.authority, uri.path_and_query) = (Some(Scheme::HTTP), Some(authority), Some(path));
        let mut request = Request::new(());
        *request.method_mut() = head.method.clone();
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = Uri::from_parts(uri).expect("all three parts are there");
        *request.headers_mut() = passed_on(&head.headers);
        if let Some(deadline) = deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            request.headers_mut().insert(GRPC_TIMEOUT, call::timeout_value(left));
        }
        if let Some(span) = span {
            span.write(request.headers_mut());
        }
        request
    }

    async fn attempt(
        &self,
        mut place: Place,
        body: &mut Option<RecvStream>,
        responder: &mut Responder,
        span: Option<&Span>,
    ) -> Result<Attempt, Error> {
        let Routed { method, message, .. } = self.routed;
        if let Err(why) = poll_fn(|cx| place.send.poll_ready(cx)).await {
            place.retire();
            return Ok(Attempt::Unseen(why));
        }
        let (response, mut to) =
            match place.send.send_request(self.request(span.or(responder.span.as_deref())), false) {
                Ok(sent) => sent,
                Err(why) => {
                    place.retire();
                    return Ok(Attempt::Unseen(why));
                }
            };
        let more = method.client_streaming;
        let pieces = message.pieces();
        for (index, piece) in pieces.iter().enumerate() {
            let last = index + 1 == pieces.len();
            if let Err(why) = to.send_data(piece.clone(), last && !more) {
                return self.judge(why, &place);
            }
        }
        match body.take() {
            Some(body) if more => Box::pin(self.both_ways(body, to, response, &place, responder)).await,
            _ => self.relay(response, &place, responder).await,
        }
    }

    /// Sends on what follows the first message while the answer comes.
    async fn both_ways(
        &self,
        body: RecvStream,
        mut to: SendStream<Bytes>,
        response: ResponseFuture,
        place: &Place,
        responder: &mut Responder,
    ) -> Result<Attempt, Error> {
        let mut uploaded = Sent::default();
        let upload = upload(self.routed.message.rest.clone(), body, &mut to, &mut uploaded);
        let attempt = both_ways(upload, self.relay(response, place, responder)).await;
        if let Some(ongoing) = self.ongoing {
            ongoing.received(uploaded.bytes);
        }
        attempt
    }

    /// Passes the backend's answer on to the client.
    async fn relay(
        &self,
        mut response: ResponseFuture,
        place: &Place,
        responder: &mut Responder,
    ) -> Result<Attempt, Error> {
        let received = poll_fn(|cx| match Pin::new(&mut response).poll(cx) {
            Poll::Ready(response) => Poll::Ready(Some(response)),
            Poll::Pending => responder.poll_gone(cx).map(|()| None),
        });
        let from = match received.await {
            None => return Ok(Attempt::Done),
            Some(Err(why)) => return self.judge(why, place),
            Some(Ok(response)) => match self.relay_head(response, responder)? {
                Some(from) => from,
                None => return Ok(Attempt::Done),
            },
        };
        let Self { remote, routed, .. } = self;
        let namespace = &routed.route.settings.name;
        let sent = responder.send_body(pin!(Incoming::new(from))).await;
        sent.map_err(|why| error::backend_lost(namespace, &remote.endpoint, &why))?;
        Ok(Attempt::Done)
    }

    /// Passes the answer's head on, and says what of it follows, if anything does.
    fn relay_head(
        &self,
        response: Response<RecvStream>,
        responder: &mut Responder,
    ) -> Result<Option<RecvStream>, Error> {
        let (head, from) = response.into_parts();
        if head.status != StatusCode::OK || !call::is_grpc(&head.headers) {
            let namespace = &self.routed.route.settings.name;
            return Err(error::not_grpc(namespace, &self.remote.endpoint, head.status));
        }
        let end = from.is_end_stream();
        let ended = responder.send_head(Response::from_parts(head, ()), end).is_err() || end;
        Ok((!ended).then_some(from))
    }

    /// Whether a failed attempt may be repeated. A GOAWAY reaches a stream only if its number is above the last one
    /// that the backend looked at.
    fn judge(&self, why: h2::Error, place: &Place) -> Result<Attempt, Error> {
        if why.is_remote() && why.is_go_away() {
            place.retire();
            return Ok(Attempt::Unseen(why));
        }
        if why.is_remote() && why.reason() == Some(Reason::REFUSED_STREAM) {
            return Ok(Attempt::Unseen(why));
        }
        Err(error::backend_lost(&self.routed.route.settings.name, &self.remote.endpoint, &why))
    }
}

/// Runs both directions of a call until the answer has ended, or the client is gone.
async fn both_ways(
    upload: impl Future<Output = Result<(), PumpError<h2::Error>>>,
    download: impl Future<Output = Result<Attempt, Error>>,
) -> Result<Attempt, Error> {
    let (mut upload, mut download) = (pin!(upload), pin!(download));
    let mut uploading = true;
    poll_fn(|cx| {
        if uploading && let Poll::Ready(sent) = upload.as_mut().poll(cx) {
            uploading = false;
            // Nobody waits for an answer.
            if let Err(PumpError::Source(_)) = sent {
                return Poll::Ready(Ok(Attempt::Done));
            }
        }
        download.as_mut().poll(cx)
    })
    .await
}

/// Sends on what follows the first message.
async fn upload(
    rest: Bytes,
    body: RecvStream,
    to: &mut SendStream<Bytes>,
    sent: &mut Sent,
) -> Result<(), PumpError<h2::Error>> {
    pump(pin!(Pieces::from(vec![rest]).then(Incoming::new(body))), to, sent).await
}
