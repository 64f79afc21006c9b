//! A call's exchange with a backend over a connection.
//!
//! A call is retried only if the backend certainly has not acted on the first attempt: it refused the stream, its
//! GOAWAY excluded the stream, or the connection was closed before the call was on it.

use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;

use http::header::AUTHORIZATION;
use http::uri::{self, Authority, PathAndQuery, Scheme, Uri};
use http::{Request, Response, StatusCode, Version};
use prism_auth::caller;
use prism_grpc::call::Responder;
use prism_grpc::head::{self, GRPC_TIMEOUT};
use prism_grpc::incoming::{Incoming, Pieces};
use prism_grpc::pump::{PumpError, Sent, pump};
use prism_grpc::span::Span;
use prism_http2::{Error as StreamError, Reason, RecvStream, SendStream};
use prism_proto::Error;
use tonic::Code;

use super::admit::Routed;
use super::headers::{add_via, passed_on};
use super::later::{CheckError, Checked};
use super::unanswered::Unanswered;
use crate::endpoint::Endpoint;
use crate::error::{self, BackendName};
use crate::route::Remote;
use crate::traffic::Ongoing;
use crate::upstream::{Full, Kind, NoPlace, Place, Upstreams};

/// The authority of calls over a Unix socket, which has none of its own.
const UNIX_AUTHORITY: &str = "localhost";

/// A call's exchange with a backend over a connection.
pub(super) struct Exchange<'a> {
    pub(super) upstreams: &'a Upstreams,
    pub(super) remote: &'a Arc<Remote>,
    pub(super) routed: &'a Routed,
    pub(super) ongoing: Option<&'a Ongoing>,
    /// Set once the backend may act on the call.
    pub(super) acting: &'a AtomicBool,
}

/// The result of one attempt.
enum Attempt {
    /// The call has ended.
    Done,
    /// The backend has not seen the call.
    Unseen(StreamError),
}

/// The status with which a backend ended a call, as far as it is known.
fn ended_with(attempt: &Result<Attempt, Error>, responder: &Responder) -> Option<Code> {
    match attempt {
        Ok(Attempt::Done) => responder.sent().code,
        Ok(Attempt::Unseen(_)) => Some(Code::Unavailable),
        Err(error) => Some(error.reason.code()),
    }
}

impl Exchange<'_> {
    pub(super) async fn run(&self, body: RecvStream, responder: &mut Responder) -> Result<(), Error> {
        let Routed { route, method, .. } = self.routed;
        let kind = if method.is_unary() { Kind::Unary } else { Kind::Streaming };
        let mut body = Some(body);
        let mut attempts_left = 2;
        loop {
            attempts_left -= 1;
            let unreachable = |why: &dyn Display| {
                error::backend_unreachable(&route.settings.name, self.backend(), &why.to_string())
            };
            let Some(place) = self.place(kind, responder).await else { return Ok(()) };
            let place = place.map_err(|none| match none {
                NoPlace::Unreachable(why) => unreachable(&why),
                NoPlace::Full(Full::Connection(max)) => {
                    error::no_place(&route.settings.name, "this connection", max)
                }
                NoPlace::Full(Full::Namespace(max)) => {
                    error::no_place(&route.settings.name, "the namespace", max)
                }
            })?;
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

    /// Reserves a slot on a connection to the backend; `None` if the client has left.
    async fn place(&self, kind: Kind, responder: &mut Responder) -> Option<Result<Place, NoPlace>> {
        let Routed { context, route, .. } = self.routed;
        let (peer, namespace) = (context.peer(), &route.traffic);
        if let Some(place) = self.upstreams.free_place(self.remote, kind, peer, namespace) {
            return Some(Ok(place));
        }
        // Boxed, because otherwise every call would reserve space for what few need.
        let mut placed = Box::pin(self.upstreams.place(self.remote, kind, peer, namespace));
        poll_fn(|cx| match placed.as_mut().poll(cx) {
            Poll::Ready(place) => Poll::Ready(Some(place)),
            Poll::Pending => responder.poll_gone(cx).map(|()| None),
        })
        .await
    }

    /// The head for the backend, with the time left until the deadline.
    ///
    /// # Errors
    /// DEADLINE_EXCEEDED: no time is left.
    fn request(&self, span: Option<&dyn Span>) -> Result<Request<()>, Error> {
        let context = &self.routed.context;
        let head = context.head();
        let authority = match &self.remote.endpoint {
            Endpoint::Tcp(authority) => authority.clone(),
            Endpoint::Unix(_) | Endpoint::Embedded(_) => Authority::from_static(UNIX_AUTHORITY),
        };
        let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let mut uri = uri::Parts::default();
        let scheme = if self.remote.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        (uri.scheme, uri.authority, uri.path_and_query) = (Some(scheme), Some(authority), Some(path));
        let mut request = Request::new(());
        *request.method_mut() = head.method.clone();
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = Uri::from_parts(uri).expect("all three parts are there");
        *request.headers_mut() = passed_on(&head.headers);
        if let Some(caller) = context.identity() {
            caller::write(request.headers_mut(), caller);
        }
        if let Some(token) = &self.remote.token {
            request.headers_mut().insert(AUTHORIZATION, token.authorization());
        }
        if self.remote.discovered.may_be_proxy() {
            add_via(request.headers_mut());
        }
        if let Some(left) = context.time_left() {
            if left.is_zero() {
                return Err(head::deadline_exceeded(false));
            }
            request.headers_mut().insert(GRPC_TIMEOUT, head::timeout_value(left));
        }
        if let Some(span) = span {
            span.write(request.headers_mut());
        }
        Ok(request)
    }

    async fn attempt(
        &self,
        mut place: Place,
        body: &mut Option<RecvStream>,
        responder: &mut Responder,
        span: Option<&dyn Span>,
    ) -> Result<Attempt, Error> {
        let Routed { method, message, .. } = self.routed;
        if let Err(why) = poll_fn(|cx| place.send.poll_ready(cx)).await {
            place.retire();
            return Ok(Attempt::Unseen(why));
        }
        let request = self.request(span.or(responder.span.as_deref()))?;
        let (response, mut to) = match place.send.send_request(request, false) {
            Ok(sent) => sent,
            Err(why) => {
                place.retire();
                return Ok(Attempt::Unseen(why));
            }
        };
        self.acting.store(true, Relaxed);
        let sent = Unanswered::new(response, place);
        let more = method.client_streaming;
        let pieces = message.pieces();
        for (index, piece) in pieces.iter().enumerate() {
            let last = index + 1 == pieces.len();
            if let Err(why) = to.send_data(piece.clone(), last && !more) {
                return self.judge(why, sent.place());
            }
        }
        match body.take() {
            Some(body) if more => Box::pin(self.both_ways(body, to, sent, responder)).await,
            _ => self.relay(sent, responder).await,
        }
    }

    /// Forwards what follows the first message while the response comes back.
    async fn both_ways(
        &self,
        body: RecvStream,
        mut to: SendStream,
        sent: Unanswered,
        responder: &mut Responder,
    ) -> Result<Attempt, Error> {
        let routed = self.routed;
        let mut uploaded = Sent::default();
        let later = Pieces::from(vec![routed.message.rest.clone()]).then(Incoming::new(body));
        let later = Checked::new(later, &routed.route, routed.is_guarded);
        let later = pin!(later);
        let upload = pump(later, &mut to, None, &mut uploaded, None);
        let stalled = || error::backend_stalled(&routed.route.settings.name, self.backend());
        let attempt = both_ways(upload, self.relay(sent, responder), stalled).await;
        if let Some(ongoing) = self.ongoing {
            ongoing.received(uploaded.bytes);
        }
        attempt
    }

    /// Forwards the backend's response to the client.
    async fn relay(&self, mut sent: Unanswered, responder: &mut Responder) -> Result<Attempt, Error> {
        let received = poll_fn(|cx| match sent.poll(cx) {
            Poll::Ready(response) => Poll::Ready(Some(response)),
            Poll::Pending => responder.poll_gone(cx).map(|()| None),
        });
        let Some(answered) = received.await else { return Ok(Attempt::Done) };
        let mut place = sent.answered();
        let from = match answered {
            Err(why) => return self.judge(why, place.as_ref()),
            Ok(response) => match self.relay_head(response, responder)? {
                Some(from) => from,
                None => return Ok(Attempt::Done),
            },
        };
        let from = pin!(Incoming::new(from));
        let sent = if self.routed.method.is_unary() {
            // A client that does not read its response holds no slot at the backend meanwhile.
            responder.send_ahead(from, &mut || drop(place.take())).await
        } else {
            responder.send_body(from).await
        };
        sent.map_err(|why| self.lost(&why))?;
        Ok(Attempt::Done)
    }

    /// The backend in messages to the caller.
    fn backend(&self) -> BackendName<'_> {
        BackendName::of(&self.remote.endpoint, self.routed.shows_backend)
    }

    fn lost(&self, why: &StreamError) -> Error {
        error::backend_lost(&self.routed.route.settings.name, self.backend(), why)
    }

    /// Forwards the response's head, and returns what of the response follows, if anything.
    fn relay_head(
        &self,
        response: Response<RecvStream>,
        responder: &mut Responder,
    ) -> Result<Option<RecvStream>, Error> {
        let (head, from) = response.into_parts();
        if head.status != StatusCode::OK || !head::is_grpc(&head.headers) {
            let namespace = &self.routed.route.settings.name;
            return Err(error::not_grpc(namespace, self.backend(), head.status));
        }
        let end = from.is_end_stream();
        let ended = responder.send_head(Response::from_parts(head, ()), end).is_err() || end;
        Ok((!ended).then_some(from))
    }

    /// Whether a failed attempt may be repeated. A GOAWAY concerns a stream only if its number is above that of the
    /// last one that the backend processed.
    fn judge(&self, why: StreamError, place: Option<&Place>) -> Result<Attempt, Error> {
        if why.is_remote() && why.is_go_away() {
            if let Some(place) = place {
                place.retire();
            }
            return Ok(Attempt::Unseen(why));
        }
        if why.is_remote() && why.reason() == Some(Reason::REFUSED_STREAM) {
            return Ok(Attempt::Unseen(why));
        }
        Err(self.lost(&why))
    }
}

/// Runs both directions of a call until the response has ended or the client has left.
async fn both_ways(
    upload: impl Future<Output = Result<(), PumpError<CheckError>>>,
    download: impl Future<Output = Result<Attempt, Error>>,
    stalled: impl Fn() -> Error,
) -> Result<Attempt, Error> {
    let (mut upload, mut download) = (pin!(upload), pin!(download));
    let mut uploading = true;
    poll_fn(|cx| {
        if uploading && let Poll::Ready(sent) = upload.as_mut().poll(cx) {
            uploading = false;
            match sent {
                Err(PumpError::Source(CheckError::Wrong(error))) => return Poll::Ready(Err(*error)),
                // Nobody waits for a response.
                Err(PumpError::Source(CheckError::Gone(_))) => return Poll::Ready(Ok(Attempt::Done)),
                Err(PumpError::Stalled) => return Poll::Ready(Err(stalled())),
                // The backend reads no more, or is gone: its response says why.
                Ok(()) | Err(PumpError::Gone | PumpError::Full(_)) => {}
            }
        }
        download.as_mut().poll(cx)
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use prism_proto::ErrorReason;

    use super::*;

    #[tokio::test]
    async fn an_upload_that_the_backend_does_not_take_ends_the_call() {
        let stalled = || error::backend_stalled("orders", BackendName::Hidden);
        let ended = |upload| async move { both_ways(ready(upload), pending(), stalled).await };
        let error = ended(Err(PumpError::Stalled)).await.err().unwrap();
        assert_eq!((error.reason, error.fact("applied")), (ErrorReason::BackendLost, Some("maybe")));
        // If the client has left, there is no error to report; if the backend reads no more, its response says why.
        let answered = both_ways(ready(Err(PumpError::Gone)), ready(Ok(Attempt::Done)), stalled).await;
        assert!(matches!(answered, Ok(Attempt::Done)));
    }
}
