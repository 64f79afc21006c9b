//! One HTTP/2 connection of a client: handshake, with TLS or without, one task per stream, and a graceful end.
//!
//! ```text
//! handshake ──▶ serving ──drain, eviction──▶ leaving ──last call, or no answer to the GOAWAY──▶ closed
//!     │            └──────────client left, too many resets──────────────────────────────────────▶ closed
//!     └──eviction, too slow─────────────────────────────────────────────────────────────────────▶ closed
//! ```

use std::future::{Future, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context as Wake, Poll};
use std::time::Duration;

use prism_http2::Reason;
use prism_http2::server::{Accepted, Connection};
use prism_net::stream::Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Interval, Sleep, interval, sleep};
use tonic::Status;

use crate::admission::Admitted;
use crate::call::{Call, Responder};
use crate::context::Context;
use crate::handshake::{handshake, secure};
use crate::head::{refusal, timeout};
use crate::peer::Peer;
use crate::resets::Resets;
use crate::shared::Shared;

/// How long a client has for the handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// How often a leaving connection is checked.
const LEAVING_CHECK: Duration = Duration::from_millis(50);

/// How long a client has to answer the GOAWAY after its last call has ended. Calls that arrive in the meantime are
/// served.
const LEAVING_GRACE: Duration = Duration::from_millis(500);

/// How long a client may read nothing of the last frames, and how long it may take for all of them.
const CLOSING_STALL_MAX: Duration = Duration::from_secs(1);
const CLOSING_MAX: Duration = Duration::from_secs(60);

/// What a worker does with calls.
pub trait Handler: Send + Sync + 'static {
    /// Whether most calls end without waiting for anything. Such calls are started within the connection's turn, while
    /// the data they need is in the processor's caches; others are tasks from the start.
    const ENDS_AT_ONCE: bool;

    /// Serves a call. Dropped when the client cancels or the server stops. The future is stored as it is returned, once for each call in
    /// flight: an `async` block that uses `call` where it is, and moves it nowhere, is the smallest.
    fn handle(self: Arc<Self>, call: Call) -> impl Future<Output = ()> + Send + 'static;
}

/// Serves a connection until the client leaves, or, after a drain or its eviction has begun, until its last call ends.
pub async fn serve<S, H>(stream: S, peer: Arc<Peer>, handler: Arc<H>, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Handler,
{
    serve_opened(ready(Some(stream)), peer, handler, shared).await;
}

/// The same for a connection that begins with the TLS handshake of the server.
pub(crate) async fn serve_tls<H: Handler>(
    stream: Stream,
    peer: Arc<Peer>,
    handler: Arc<H>,
    shared: Arc<Shared>,
) {
    // Boxed, because otherwise every connection, with TLS or without, would reserve space for the handshake.
    let opened = Box::pin({
        let (peer, shared) = (Arc::clone(&peer), Arc::clone(&shared));
        async move { secure(stream, &peer, shared.tls.as_deref()?).await.map(Box::new) }
    });
    serve_opened(opened, peer, handler, shared).await;
}

/// Serves the connection that `opened` gives, unless that gives none. It is part of the handshake and within its limit.
async fn serve_opened<S, H>(
    opened: impl Future<Output = Option<S>>,
    peer: Arc<Peer>,
    handler: Arc<H>,
    shared: Arc<Shared>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Handler,
{
    let shaking_hands = async {
        match opened.await {
            Some(stream) => handshake(stream, &peer).await,
            None => Ok(None),
        }
    };
    let shaken_hands = tokio::select! {
        shaken_hands = tokio::time::timeout(HANDSHAKE_MAX, shaking_hands) => shaken_hands,
        () = peer.evicted() => return,
    };
    match shaken_hands {
        Ok(Ok(Some(connection))) => serve_streams(connection, &peer, &handler, &shared).await,
        Ok(Ok(None)) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the HTTP/2 handshake failed"),
        Err(_) => tracing::debug!("the client did not finish the handshake in time"),
    }
}

/// A connection's phase.
enum Phase {
    Serving,
    /// A GOAWAY was sent; the connection ends with its last call.
    Leaving {
        check: Interval,
        /// When the last call ended, unless there is one.
        quiet: Option<Instant>,
    },
    /// The last frame is being written.
    Closing,
}

async fn serve_streams<S, H>(
    mut connection: Connection<S>,
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
    // Made when it is needed, which it seldom is.
    let mut closing: Option<Closing> = None;
    poll_fn(|cx| {
        connection.begin_turn();
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
                Poll::Ready(Some(Ok(request))) => {
                    let call = accept(request, peer, handler, shared);
                    if H::ENDS_AT_ONCE {
                        accepted.extend(call);
                    } else if let Some(call) = call {
                        tokio::spawn(call);
                    }
                }
                // Calls that have not begun end with the connection: nobody waits for their responses.
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(%error, "the connection failed");
                    return Poll::Ready(());
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending if accepted.is_empty() => break,
                // Poll again: responses written meanwhile are sent now.
                Poll::Pending => {
                    connection.cork();
                    accepted.drain(..).for_each(|call| begin(call, cx));
                }
            }
        }
        if !matches!(phase, Phase::Closing)
            && resets.add(peer.take_resets() + connection.take_resets()) > shared.limits.resets_max
        {
            tracing::debug!(peer = %peer.address, "the client reset too many calls; closing its connection");
            shared.counters.resets_closed_total.fetch_add(1, Ordering::Relaxed);
            connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            phase = Phase::Closing;
            cx.waker().wake_by_ref();
        }
        if let Some(written) = connection.closing() {
            return closing.get_or_insert_with(|| Closing::new(written)).poll_end(written, cx);
        }
        Poll::Pending
    })
    .await;
}

/// A connection of which only the last frames are left to be read.
struct Closing {
    timer: Pin<Box<Sleep>>,
    until: Instant,
    /// How much had been written when the timer was set.
    written: u64,
}

impl Closing {
    fn new(written: u64) -> Self {
        Self { timer: Box::pin(sleep(CLOSING_STALL_MAX)), until: Instant::now() + CLOSING_MAX, written }
    }

    /// Ready once the client has read nothing for too long.
    fn poll_end(&mut self, written: u64, cx: &mut Wake<'_>) -> Poll<()> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if self.written == written || now >= self.until {
                return Poll::Ready(());
            }
            self.written = written;
            self.timer.as_mut().reset(now + CLOSING_STALL_MAX);
        }
        Poll::Pending
    }
}

/// Whether a leaving connection has waited long enough for its client.
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

/// A call in flight.
type Handling = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts a call in place, and makes it a task if it has to wait. Either way, a call that panics is reset and the
/// connection continues.
fn begin(mut call: Handling, cx: &mut Wake<'_>) {
    let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx)));
    if matches!(polled, Ok(Poll::Pending)) {
        tokio::spawn(call);
    }
}

/// Turns a request into a call, unless it can be answered at once.
fn accept<H: Handler>(
    (request, respond): Accepted,
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
    Some(Box::pin(Arc::clone(handler).handle(call)))
}

#[cfg(test)]
mod tests {
    use http::{Request, Response, StatusCode};
    use prism_http2::client;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::limits::Limits;
    use crate::peer::PeerAddress;

    /// Panics at one path, responds at once at another, and at any other after a turn of the runtime.
    struct Moody<const AT_ONCE: bool>;

    impl<const AT_ONCE: bool> Handler for Moody<AT_ONCE> {
        const ENDS_AT_ONCE: bool = AT_ONCE;

        async fn handle(self: Arc<Self>, mut call: Call) {
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

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_of_the_last_frames_is_left_before_one_that_reads() {
        let mut closing = Closing::new(0);
        let (begun, mut written) = (Instant::now(), 0);
        poll_fn(|cx| {
            written += 1;
            closing.poll_end(written, cx)
        })
        .await;
        assert_eq!(begun.elapsed().as_secs(), CLOSING_MAX.as_secs());
        let (begun, mut closing) = (Instant::now(), Closing::new(7));
        poll_fn(|cx| closing.poll_end(7, cx)).await;
        assert_eq!(begun.elapsed().as_secs(), CLOSING_STALL_MAX.as_secs());
    }

    async fn panicking_is_survived<const AT_ONCE: bool>() {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let shared =
            Shared::new(Limits { in_flight_max: 2, ..Limits::default() }, CancellationToken::new(), None);
        let shared = Arc::new(shared);
        let peer = shared.peer(PeerAddress::Unix);
        tokio::spawn(serve(near, peer, Arc::new(Moody::<AT_ONCE>), Arc::clone(&shared)));
        let (mut send, connection) = client::connect(far, client::Config::default());
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
