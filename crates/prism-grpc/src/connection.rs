//! One HTTP/2 connection of a client: handshake, a task for each stream, and a graceful end.
//!
//! ```text
//! handshake ──▶ serving ──drain, eviction──▶ leaving ──last call, or no answer to the GOAWAY──▶ closed
//!     │            └──────────client left, too many resets──────────────────────────────────────▶ closed
//!     └──eviction, too slow─────────────────────────────────────────────────────────────────────▶ closed
//! ```

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context as Wake, Poll};
use std::time::Duration;

use h2::Reason;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Interval, interval};
use tonic::Status;

use crate::admission::Admitted;
use crate::call::{Call, Responder};
use crate::context::Context;
use crate::handshake::{H2, handshake};
use crate::head::{refusal, timeout};
use crate::payload::Payload;
use crate::peer::Peer;
use crate::resets::Resets;
use crate::shared::Shared;
use crate::turns::Turn;

/// A client has this long to say what it speaks.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// How often a connection that is leaving is looked at.
const LEAVING_CHECK: Duration = Duration::from_millis(50);

/// A client has so long to answer the GOAWAY once its last call has ended. Its calls that are on their way meanwhile are
/// answered.
const LEAVING_GRACE: Duration = Duration::from_millis(500);

/// What a worker does with calls.
pub trait Handler: Send + Sync + 'static {
    /// Whether most calls end without waiting for anything. Such are begun within the connection's turn, while what they
    /// need of it is at hand in the processor's caches; others are tasks from the start.
    const ENDS_AT_ONCE: bool;

    /// Answers a call. Dropped when the client gives up or the server stops.
    fn handle(&self, call: Call) -> impl Future<Output = ()> + Send;
}

/// Serves a connection until the client leaves, or until its last call ends after the drain or its eviction began.
pub async fn serve<S, H>(stream: S, peer: Arc<Peer>, handler: Arc<H>, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Handler,
{
    let shaken_hands = tokio::select! {
        shaken_hands = tokio::time::timeout(HANDSHAKE_MAX, handshake(stream, peer.calls_max())) => shaken_hands,
        () = peer.evicted() => return,
    };
    match shaken_hands {
        Ok(Ok(Some((connection, turn)))) => serve_streams(connection, &turn, &peer, &handler, &shared).await,
        Ok(Ok(None)) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the HTTP/2 handshake failed"),
        Err(_) => tracing::debug!("the client did not finish the HTTP/2 handshake in time"),
    }
}

/// Where a connection is in its life.
enum Phase {
    Serving,
    /// A GOAWAY was sent; it ends with its last call.
    Leaving {
        check: Interval,
        /// Since when there is no call.
        quiet: Option<Instant>,
    },
    /// The last frame is being written.
    Closing,
}

async fn serve_streams<S, H>(
    mut connection: H2<S>,
    turn: &Turn,
    peer: &Arc<Peer>,
    handler: &Arc<H>,
    shared: &Arc<Shared>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Handler,
{
    let mut asked_to_leave = pin!(async {
        tokio::select! {
            () = shared.drain.cancelled() => {}
            () = peer.evicted() => {}
        }
    });
    let mut phase = Phase::Serving;
    let mut resets = Resets::default();
    let mut accepted = Vec::new();
    poll_fn(|cx| {
        turn.begin();
        if matches!(phase, Phase::Serving) && asked_to_leave.as_mut().poll(cx).is_ready() {
            connection.graceful_shutdown();
            phase = Phase::Leaving { check: interval(LEAVING_CHECK), quiet: None };
        }
        if let Phase::Leaving { check, quiet } = &mut phase
            && must_close(check, quiet, connection.has_streams(), cx)
        {
            connection.abrupt_shutdown(Reason::NO_ERROR);
            phase = Phase::Closing;
        }
        loop {
            match connection.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    let call = accept(request, respond, peer, handler, shared);
                    if H::ENDS_AT_ONCE {
                        accepted.extend(call);
                    } else if let Some(call) = call {
                        tokio::spawn(call);
                    }
                }
                // What has not begun goes with the connection: nobody waits for the answer.
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(%error, "the connection failed");
                    return Poll::Ready(());
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending if accepted.is_empty() => break,
                // Around again: what has been answered is sent now.
                Poll::Pending => accepted.drain(..).for_each(|call| begin(call, cx)),
            }
        }
        if !matches!(phase, Phase::Closing) && resets.add(peer.take_resets()) > shared.limits.resets_max {
            tracing::debug!(peer = %peer.address, "the client resets too many calls; closing its connection");
            shared.counters.resets_closed_total.fetch_add(1, Ordering::Relaxed);
            connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            phase = Phase::Closing;
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
}

/// Whether a connection that is leaving has waited long enough for its client.
fn must_close(
    check: &mut Interval,
    quiet: &mut Option<Instant>,
    has_streams: bool,
    cx: &mut Wake<'_>,
) -> bool {
    while let Poll::Ready(now) = check.poll_tick(cx) {
        if has_streams {
            *quiet = None;
        } else if now.duration_since(*quiet.get_or_insert(now)) >= LEAVING_GRACE {
            return true;
        }
    }
    false
}

/// A call under way.
type Handling = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Begins a call here and now, and makes a task of one that has to wait. One that panics is reset, as is one that panics
/// as a task, and the connection goes on.
fn begin(mut call: Handling, cx: &mut Wake<'_>) {
    let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx)));
    if matches!(polled, Ok(Poll::Pending)) {
        tokio::spawn(call);
    }
}

/// Makes a call of a request, unless it is answered at once.
fn accept<H: Handler>(
    request: http::Request<h2::RecvStream>,
    respond: h2::server::SendResponse<Payload>,
    peer: &Arc<Peer>,
    handler: &Arc<H>,
    shared: &Arc<Shared>,
) -> Option<Handling> {
    let (mut head, body) = request.into_parts();
    let mut responder = Responder::new(respond, Arc::clone(peer));
    if let Some(response) = refusal(&head) {
        let _ = responder.send_head(response, true);
        return None;
    }
    if let Some(tracer) = &shared.tracer {
        responder.span = tracer.begin(&head);
        if let Some(span) = &responder.span {
            span.write(&mut head.headers);
        }
    }
    let timeout = Admitted::new(head.uri.path(), peer, shared).and_then(|admitted| {
        responder.admitted = admitted;
        timeout(&head.headers)
    });
    let timeout = match timeout {
        Ok(timeout) => timeout,
        Err(error) => {
            responder.fail(&Status::from(error));
            return None;
        }
    };
    let context = Context::new(head, Arc::clone(peer), timeout);
    let call = Call { context, body, responder };
    let handler = Arc::clone(handler);
    Some(Box::pin(async move { handler.handle(call).await }))
}

#[cfg(test)]
mod tests {
    use http::{Request, Response, StatusCode};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::limits::Limits;
    use crate::peer::PeerAddress;

    /// Panics at one path, answers at once at another, and at any else after a turn of the runtime.
    struct Moody<const AT_ONCE: bool>;

    impl<const AT_ONCE: bool> Handler for Moody<AT_ONCE> {
        const ENDS_AT_ONCE: bool = AT_ONCE;

        async fn handle(&self, mut call: Call) {
            match call.context.head().uri.path() {
                "/panic" => panic!("as asked for"),
                "/now" => {}
                _ => tokio::task::yield_now().await,
            }
            call.responder.send_head(Response::new(()), true).unwrap();
        }
    }

    #[tokio::test]
    async fn a_call_that_panics_is_reset_and_the_others_are_answered() {
        panicking_is_survived::<true>().await;
        panicking_is_survived::<false>().await;
    }

    async fn panicking_is_survived<const AT_ONCE: bool>() {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let shared =
            Shared::new(Limits { in_flight_max: 2, ..Limits::default() }, CancellationToken::new(), None);
        let shared = Arc::new(shared);
        let peer = shared.peer(PeerAddress::Unix);
        tokio::spawn(serve(near, peer, Arc::new(Moody::<AT_ONCE>), Arc::clone(&shared)));
        let (mut send, connection) = h2::client::handshake(far).await.unwrap();
        tokio::spawn(connection);
        for _ in 0..3 {
            let [now, panics, later] = ["/now", "/panic", "/later"].map(|path| {
                let request = Request::post(format!("http://localhost{path}"));
                let request = request.header("content-type", "application/grpc").body(()).unwrap();
                send.send_request(request, true).unwrap().0
            });
            assert!(panics.await.unwrap_err().is_reset());
            assert_eq!(
                (now.await.unwrap().status(), later.await.unwrap().status()),
                (StatusCode::OK, StatusCode::OK)
            );
        }
        assert_eq!(shared.counters.in_flight.load(Ordering::Relaxed), 0);
    }
}
