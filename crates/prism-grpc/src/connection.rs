//! One HTTP/2 connection of a client: handshake, a task for each stream, and a graceful end.

use std::future::{Future, poll_fn};
use std::io::{self, Cursor};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use h2::server::{Builder, Connection};
use prism_proto::{Error, ErrorReason, limits};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::call::{Call, Responder};
use crate::counters::Counters;
use crate::head::refusal;
use crate::pump::Room;
use crate::span::Tracer;

/// A client has this long to say what it speaks.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// The most calls at once on one connection. gRPC clients queue what is beyond it.
const STREAMS_MAX: u32 = 1024;

/// What a client may send ahead on one stream: a quarter of the largest message, so that a large one takes four
/// round trips at most.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;

/// What a client may send ahead on the whole connection.
const CONNECTION_WINDOW_BYTES: u32 = 8 * STREAM_WINDOW_BYTES;

// As much again is left for those who send on.
const _: () =
    assert!(2 * Room::OWED_BYTES_MAX * STREAMS_MAX as usize <= CONNECTION_WINDOW_BYTES as usize / 2);

/// The most bytes of headers in one call; gRPC's own default is 8 KiB.
const HEADERS_BYTES_MAX: u32 = 32 * 1024;

/// The bytes of answers that one stream may hold back for a client that does not read.
const SEND_BUFFER_BYTES_MAX: usize = 1024 * 1024;

/// What HTTP/2 begins with.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The answer to a client that speaks HTTP/1.1.
const HTTP1_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\
    content-length: 81\r\n\r\nThis port speaks gRPC (HTTP/2 with prior knowledge, no HTTP/1.1 and no TLS here)\n";

/// What a worker does with calls.
pub trait Handler: Send + Sync + 'static {
    /// Whether most calls end without waiting for anything. Such are begun within the connection's turn, while what they
    /// need of it is at hand in the processor's caches; others are tasks from the start.
    const ENDS_AT_ONCE: bool;

    /// Answers a call. Dropped when the client gives up or the server stops.
    fn handle(&self, call: Call) -> impl Future<Output = ()> + Send;
}

/// What the connections of a process share.
#[derive(Debug)]
pub struct Shared {
    /// Cancelled when the server stops taking calls.
    pub drain: CancellationToken,
    /// The figures.
    pub counters: Arc<Counters>,
    /// The most calls under way at once in the process.
    pub in_flight_max: i64,
    /// Makes the spans of calls, if they are wanted.
    pub tracer: Option<Arc<dyn Tracer>>,
}

/// Serves a connection until the client leaves, or until its last call ends after the drain began.
pub async fn serve<S, H>(stream: S, handler: Arc<H>, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Handler,
{
    match tokio::time::timeout(HANDSHAKE_MAX, handshake(stream)).await {
        Ok(Ok(Some(connection))) => serve_streams(connection, handler, shared).await,
        Ok(Ok(None)) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the HTTP/2 handshake failed"),
        Err(_) => tracing::debug!("the client did not finish the HTTP/2 handshake in time"),
    }
}

type H2<S> = Connection<Prefixed<S>, bytes::Bytes>;

/// `None`: the client spoke something else and has been told.
async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> io::Result<Option<H2<S>>> {
    let mut begin = [0; PREFACE.len()];
    let mut len = 0;
    while len < begin.len() && begin[..len] == PREFACE[..len] {
        match stream.read(&mut begin[len..]).await? {
            0 => return Ok(None),
            read => len += read,
        }
    }
    if begin != *PREFACE {
        if begin[0].is_ascii_uppercase() {
            stream.write_all(HTTP1_ANSWER).await?;
        }
        stream.shutdown().await?;
        return Ok(None);
    }
    let connection = Builder::new()
        .max_concurrent_streams(STREAMS_MAX)
        .max_frame_size(limits::FRAME_BYTES_MAX)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(HEADERS_BYTES_MAX)
        .max_send_buffer_size(SEND_BUFFER_BYTES_MAX)
        .max_concurrent_reset_streams(STREAMS_MAX as usize)
        .handshake(Prefixed { begin: Cursor::new(begin), stream })
        .await;
    connection.map(Some).map_err(io::Error::other)
}

async fn serve_streams<S, H>(mut connection: H2<S>, handler: Arc<H>, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Handler,
{
    let mut drain = pin!(shared.drain.cancelled());
    let mut draining = false;
    let mut accepted = Vec::new();
    poll_fn(|cx| {
        if !draining && drain.as_mut().poll(cx).is_ready() {
            draining = true;
            connection.graceful_shutdown();
        }
        loop {
            match connection.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    let call = accept(request, respond, &handler, &shared);
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
                Poll::Pending if accepted.is_empty() => return Poll::Pending,
                // Around again: what has been answered is sent now.
                Poll::Pending => accepted.drain(..).for_each(|call| begin(call, cx)),
            }
        }
    })
    .await;
}

/// A call under way.
type Handling = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Begins a call here and now, and makes a task of one that has to wait. One that panics is reset, as is one that panics
/// as a task, and the connection goes on.
fn begin(mut call: Handling, cx: &mut Context<'_>) {
    let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx)));
    if matches!(polled, Ok(Poll::Pending)) {
        tokio::spawn(call);
    }
}

/// Makes a call of a request, unless it is answered at once.
fn accept<H: Handler>(
    request: http::Request<h2::RecvStream>,
    respond: h2::server::SendResponse<bytes::Bytes>,
    handler: &Arc<H>,
    shared: &Arc<Shared>,
) -> Option<Handling> {
    let (head, body) = request.into_parts();
    let mut responder = Responder::new(respond);
    if let Some(response) = refusal(&head) {
        let _ = responder.send_head(response, true);
        return None;
    }
    if let Some(tracer) = &shared.tracer {
        responder.span = tracer.begin(&head);
    }
    let Some(in_flight) = InFlight::begin(shared) else {
        shared.counters.calls_refused_total.fetch_add(1, Ordering::Relaxed);
        responder.fail(&Status::from(
            Error::new(ErrorReason::TooManyInFlight, "too many calls are under way at once; try again later")
                .with("limit", shared.in_flight_max.to_string()),
        ));
        return None;
    };
    let call = Call { head: Box::new(head), body, responder };
    let handler = Arc::clone(handler);
    Some(Box::pin(async move {
        handler.handle(call).await;
        drop(in_flight);
    }))
}

/// Counts a call while it is under way, however it ends.
struct InFlight(Arc<Shared>);

impl InFlight {
    fn begin(shared: &Arc<Shared>) -> Option<Self> {
        let counters = &shared.counters;
        if counters.in_flight.fetch_add(1, Ordering::Relaxed) >= shared.in_flight_max {
            counters.in_flight.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        counters.calls_total.fetch_add(1, Ordering::Relaxed);
        Some(Self(Arc::clone(shared)))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.counters.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream whose first bytes have been looked at.
struct Prefixed<S> {
    begin: Cursor<[u8; PREFACE.len()]>,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.begin.position() < PREFACE.len() as u64 {
            let read = std::io::Read::read(&mut self.begin, buffer.initialize_unfilled())?;
            buffer.advance(read);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response, StatusCode};

    use super::*;

    /// Panics at one path, answers at once at another, and at any else after a turn of the runtime.
    struct Moody<const AT_ONCE: bool>;

    impl<const AT_ONCE: bool> Handler for Moody<AT_ONCE> {
        const ENDS_AT_ONCE: bool = AT_ONCE;

        async fn handle(&self, mut call: Call) {
            match call.head.uri.path() {
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
        let shared = Shared {
            drain: CancellationToken::new(),
            counters: Arc::default(),
            in_flight_max: 2,
            tracer: None,
        };
        let shared = Arc::new(shared);
        tokio::spawn(serve(near, Arc::new(Moody::<AT_ONCE>), Arc::clone(&shared)));
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
