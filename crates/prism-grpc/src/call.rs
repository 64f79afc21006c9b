//! One gRPC call on its HTTP/2 stream, and the ways to respond to it.
//!
//! ```text
//! Responder:  waiting ──head──▶ answering ──trailers──▶ ended
//!                └──────────fail / refuse──────────────▶ ended
//! ```

use std::convert::Infallible;
use std::fmt::Display;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as Wake, Poll};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Response};
use http_body::{Body, Frame};
use prism_http2::{Error as StreamError, Reason, RecvStream, SendStream};
use tonic::Status;

use crate::admission::Admitted;
use crate::context::Context;
use crate::head::{GRPC_STATUS, success};
use crate::message::Encoding;
use crate::peer::Peer;
use crate::pump::{PumpError, Sent, pump, send_now};
use crate::shares::Full;
use crate::span::Span;
use prism_proto::error::APPLIED;
use prism_proto::{Applied, Error, ErrorReason};

/// The content type of every response.
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// An incoming call.
#[derive(Debug)]
pub struct Call {
    /// Who makes the call, how much time is left, and its head.
    pub context: Context,
    /// What the client sends.
    pub body: RecvStream,
    /// How to respond.
    pub responder: Responder,
}

/// How much of the response has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing.
    Waiting,
    /// The head.
    Answering,
    /// The end, or a reset.
    Ended,
}

/// Responds to one call, once. The call is in flight until this is dropped; dropping it early resets the stream.
#[derive(Debug)]
pub struct Responder {
    stream: SendStream,
    state: State,
    peer: Arc<Peer>,
    /// What the call counts as; set once.
    pub(crate) admitted: Admitted,
    sent: Sent,
    /// The call's span in its trace; it ends with the response.
    pub span: Option<Box<dyn Span>>,
}

impl Responder {
    pub(crate) fn new(stream: SendStream, peer: Arc<Peer>) -> Self {
        Self {
            stream,
            state: State::Waiting,
            peer,
            admitted: Admitted::Uncounted,
            sent: Sent::default(),
            span: None,
        }
    }

    /// Sends the response's head; with `end`, the head is the whole response.
    ///
    /// # Errors
    /// The stream or its connection is gone.
    pub fn send_head(&mut self, head: Response<()>, end: bool) -> Result<(), StreamError> {
        if self.state != State::Waiting {
            return Ok(());
        }
        if end {
            self.sent.end(head.headers());
        }
        self.stream.send_response(head, end)?;
        self.state = if end { State::Ended } else { State::Answering };
        Ok(())
    }

    /// Sends what follows the head, up to the end. Gives up on a client that stops reading.
    ///
    /// # Errors
    /// The body failed; the call has not ended.
    pub async fn send_body<B>(&mut self, body: Pin<&mut B>) -> Result<(), B::Error>
    where
        B: Body<Data = Bytes>,
        B::Error: Display,
    {
        self.send(body, None).await
    }

    /// Sends a short response, reading all of `body` even if the client does not read it, and then calls `received`.
    /// See [`send_body`](Self::send_body).
    ///
    /// # Errors
    /// The body failed; the call has not ended.
    pub async fn send_ahead<B>(
        &mut self,
        body: Pin<&mut B>,
        received: &mut (dyn FnMut() + Send),
    ) -> Result<(), B::Error>
    where
        B: Body<Data = Bytes>,
        B::Error: Display,
    {
        self.send(body, Some(received)).await
    }

    async fn send<B>(
        &mut self,
        body: Pin<&mut B>,
        received: Option<&mut (dyn FnMut() + Send)>,
    ) -> Result<(), B::Error>
    where
        B: Body<Data = Bytes>,
        B::Error: Display,
    {
        if self.state != State::Answering {
            return Ok(());
        }
        match pump(body, &mut self.stream, Some(&self.peer.answers), &mut self.sent, received).await {
            Ok(()) => self.state = State::Ended,
            Err(PumpError::Full(full)) => self.fail(&answer_budget(full, Applied::Maybe).into()),
            Err(PumpError::Source(error)) => return Err(error),
            Err(why @ (PumpError::Gone | PumpError::Stalled)) => self.undelivered(&why),
        }
        Ok(())
    }

    fn undelivered<E: Display>(&mut self, why: &PumpError<E>) {
        tracing::debug!(%why, "a response was not delivered");
        if matches!(why, PumpError::Gone) {
            self.peer.note_reset();
        }
        self.reset(Reason::CANCEL);
    }

    /// Sends the head of a response of messages.
    ///
    /// # Errors
    /// The stream or its connection is gone.
    pub(crate) fn send_messages_head(&mut self, headers: HeaderMap) -> Result<(), StreamError> {
        let mut head = Response::new(());
        *head.headers_mut() = headers;
        head.headers_mut().insert(CONTENT_TYPE, GRPC);
        self.send_head(head, false)
    }

    /// Sends a response of one message, with its prefix. Gives up on a client that stops reading.
    pub async fn send_message(&mut self, message: Bytes) {
        if self.send_messages_head(HeaderMap::new()).is_err() {
            return;
        }
        if self.state != State::Answering {
            return;
        }
        match send_now(message, &mut self.stream, &self.peer.answers, &mut self.sent) {
            Ok(None) => self.state = State::Ended,
            // Boxed, because otherwise every call would reserve space for what few need.
            Ok(Some(message)) => {
                let _ = Box::pin(self.send_body(pin!(OneMessage(Some(message))))).await;
            }
            Err(why) => self.undelivered(&why),
        }
    }

    /// What has been sent of the response.
    #[must_use]
    pub fn sent(&self) -> Sent {
        self.sent
    }

    /// Ends the call with a status: on its own, or as the trailers of a response that has begun. Does nothing if the
    /// call has ended.
    pub fn fail(&mut self, status: &Status) {
        let sent = match self.state {
            State::Waiting => self.stream.send_response(trailers_only(status), true),
            State::Answering => self.stream.send_trailers(trailers(status)),
            State::Ended => return,
        };
        self.state = State::Ended;
        self.sent.code = Some(status.code());
        if let Err(error) = sent {
            tracing::trace!(%error, "the client left before the response");
            self.peer.note_reset();
        }
    }

    /// Resets the stream.
    pub fn reset(&mut self, reason: Reason) {
        if self.state != State::Ended {
            self.stream.send_reset(reason);
        }
        self.state = State::Ended;
    }

    /// Ready once the client has cancelled the call.
    pub fn poll_gone(&mut self, cx: &mut Wake<'_>) -> Poll<()> {
        match self.state {
            State::Waiting | State::Answering => self.stream.poll_reset(cx).map(drop),
            State::Ended => Poll::Ready(()),
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if !matches!(self.state, State::Ended) {
            self.peer.note_reset();
        }
        if let (Some(span), Some(code)) = (&mut self.span, self.sent.code) {
            span.set_code(code);
        }
        self.admitted.end(&self.peer);
    }
}

/// The body of a response of one message, and the trailers of its success.
struct OneMessage(Option<Bytes>);

impl Body for OneMessage {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Wake<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = self.0.take().map_or_else(|| Frame::trailers(success()), Frame::data);
        Poll::Ready(Some(Ok(frame)))
    }
}

/// Waits until the client has read enough of its responses for another to begin; for a peer that [has no
/// room](crate::shares::Share::has_room) at the moment.
///
/// # Errors
/// ANSWER_BUDGET: there was no room for [`ROOM_WAIT_MAX`](crate::shares::ROOM_WAIT_MAX).
pub async fn wait_for_answer_room(peer: &Peer) -> Result<(), Error> {
    peer.answers.room().await.map_err(|full| answer_budget(full, Applied::No))
}

fn answer_budget(full: Full, applied: Applied) -> Error {
    let why = format!("too many bytes of responses are unread: {full}; read them, or use another connection");
    Error::new(ErrorReason::AnswerBudget, why)
        .with("limit", full.limit().to_string())
        .with(APPLIED, applied.as_str())
}

fn trailers(status: &Status) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(4);
    if status.add_header(&mut headers).is_err() {
        headers.insert(GRPC_STATUS, HeaderValue::from(status.code() as i32));
    }
    headers
}

fn trailers_only(status: &Status) -> Response<()> {
    let mut response = Response::new(());
    *response.headers_mut() = trailers(status);
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    if status.code() == tonic::Code::Unimplemented {
        let accepted = HeaderValue::from_static(Encoding::ACCEPTED);
        response.headers_mut().insert("grpc-accept-encoding", accepted);
    }
    response
}
