//! Moves a body into an HTTP/2 stream as fast as the receiver reads it.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;
use prism_http2::{Payload, SendStream};
use tonic::Code;

use crate::head::{GRPC_STATUS, success};
use crate::shares::{Charge, Full, SMALL_BYTES, Share};

/// How long a receiver may read nothing while there is something to send. One that stalls for longer is cut off: what
/// it has not read holds memory here and windows upstream.
pub const STALL_MAX: Duration = Duration::from_secs(60);

/// After this many bytes a body yields to the other work on its thread: some hundred microseconds' worth.
const TURN_BYTES: usize = 64 * 1024;

/// Why a body did not arrive in full.
#[derive(Debug, thiserror::Error)]
pub enum PumpError<E: Display> {
    /// The body failed.
    #[error("{0}")]
    Source(E),
    /// The receiver reset the stream, or its connection is gone.
    #[error("the receiver is gone")]
    Gone,
    /// The receiver read nothing for [`STALL_MAX`].
    #[error("the receiver read nothing for {} s", STALL_MAX.as_secs())]
    Stalled,
    /// The receiver has too many unread bytes.
    #[error("the receiver has too many unread bytes: {0}")]
    Full(Full),
}

/// What has been sent of a response, or of what follows a request's first message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Bytes of its body.
    pub bytes: u64,
    /// The final status; `None` before the end.
    pub code: Option<Code>,
}

impl Sent {
    /// Records the status in a response's last headers. A missing one is `UNKNOWN`, as it is to a client.
    pub(crate) fn end(&mut self, last: &HeaderMap) {
        let code = last.get(GRPC_STATUS).map(|value| Code::from_bytes(value.as_bytes()));
        self.code = Some(code.unwrap_or(Code::Unknown));
    }
}

/// Sends the frames of a body, then ends the stream with the body's trailers, if any. `sent` records the progress.
/// Bytes that wait for the receiver are charged to `share`. With `received`, the body is read to its end even if the
/// receiver stalls, and `received` is called then, so that the body's sender waits for nobody.
///
/// # Errors
/// [`PumpError`]; the stream has not been ended in that case.
///
/// # Cancel safety
/// Everything read from the body has been handed to the stream, except one frame that waits for the receiver.
pub async fn pump<B>(
    mut body: Pin<&mut B>,
    stream: &mut SendStream,
    share: Option<&Arc<Share>>,
    sent: &mut Sent,
    mut received: Option<&mut (dyn FnMut() + Send)>,
) -> Result<(), PumpError<B::Error>>
where
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    let mut turn = 0;
    loop {
        if turn >= TURN_BYTES {
            turn = 0;
            give_way().await;
        }
        let next = poll_fn(|cx| match body.as_mut().poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Ok(frame)),
            Poll::Pending => stream.poll_reset(cx).map(|_| Err(PumpError::Gone)),
        });
        let Some(frame) = next.await?.transpose().map_err(PumpError::Source)? else {
            sent.end(&HeaderMap::new());
            return stream.send_data(Payload::empty(), true).map_err(|_| PumpError::Gone);
        };
        match frame.into_data() {
            Ok(data) => {
                let end = body.is_end_stream();
                let len = data.len();
                turn += len;
                sent.bytes += len as u64;
                if len > 0 || end {
                    let payload = match share {
                        Some(share) if len > SMALL_BYTES => charged(data, share, stream).await?,
                        _ => data.into(),
                    };
                    if !has_room(stream, len) {
                        // Boxed, because otherwise every call would reserve space for what few do.
                        if let Some(received) = received.take() {
                            return Box::pin(hold(payload, body, stream, share, sent, received)).await;
                        }
                        Box::pin(wait_for_room(stream)).await?;
                    }
                    stream.send_data(payload, end).map_err(|_| PumpError::Gone)?;
                }
                if end {
                    sent.end(&HeaderMap::new());
                    return Ok(());
                }
            }
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                sent.end(&trailers);
                return stream.send_trailers(trailers).map_err(|_| PumpError::Gone);
            }
        }
    }
}

/// Sends a message and the trailers of a success, if the receiver has room for at least a part of it. Otherwise returns the message, which has to be
/// [pumped](pump).
///
/// # Errors
/// The receiver is gone.
pub(crate) fn send_now(
    message: Bytes,
    stream: &mut SendStream,
    share: &Arc<Share>,
    sent: &mut Sent,
) -> Result<Option<Bytes>, PumpError<Infallible>> {
    let len = message.len();
    if !has_room(stream, len) {
        return Ok(Some(message));
    }
    let payload = if len > SMALL_BYTES {
        let Ok(charge) = share.charge(len) else { return Ok(Some(message)) };
        Payload::holding(message, charge)
    } else {
        message.into()
    };
    stream.send_data(payload, false).map_err(|_| PumpError::Gone)?;
    sent.bytes += len as u64;
    let trailers = success();
    sent.end(&trailers);
    stream.send_trailers(trailers).map_err(|_| PumpError::Gone)?;
    Ok(None)
}

/// Charges bytes to a share, waiting for room there.
async fn charged<E: Display>(
    data: Bytes,
    share: &Arc<Share>,
    stream: &mut SendStream,
) -> Result<Payload, PumpError<E>> {
    let charge = match share.charge(data.len()) {
        Ok(charge) => charge,
        Err(_) => Box::pin(wait_for_charge(data.len(), share, stream)).await?,
    };
    Ok(Payload::holding(data, charge))
}

async fn wait_for_charge<E: Display>(
    bytes: usize,
    share: &Arc<Share>,
    stream: &mut SendStream,
) -> Result<Charge, PumpError<E>> {
    let mut room = pin!(share.room());
    let room = poll_fn(|cx| match room.as_mut().poll(cx) {
        Poll::Ready(room) => Poll::Ready(room.map_err(PumpError::Full)),
        Poll::Pending => stream.poll_reset(cx).map(|_| Err(PumpError::Gone)),
    });
    room.await?;
    share.charge(bytes).map_err(PumpError::Full)
}

/// Receives the rest of a body whose receiver has stalled, and sends it as that reads on.
async fn hold<B>(
    first: Payload,
    mut body: Pin<&mut B>,
    stream: &mut SendStream,
    share: Option<&Arc<Share>>,
    sent: &mut Sent,
    received: &mut (dyn FnMut() + Send),
) -> Result<(), PumpError<B::Error>>
where
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    let mut held = vec![first];
    let mut trailers = None;
    while !body.is_end_stream() {
        let next = poll_fn(|cx| match body.as_mut().poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Ok(frame)),
            Poll::Pending => stream.poll_reset(cx).map(|_| Err(PumpError::Gone)),
        });
        let Some(frame) = next.await?.transpose().map_err(PumpError::Source)? else { break };
        match frame.into_data() {
            Ok(data) => {
                sent.bytes += data.len() as u64;
                held.push(match share {
                    Some(share) => charged(data, share, stream).await?,
                    None => data.into(),
                });
            }
            Err(frame) => {
                trailers = Some(frame.into_trailers().unwrap_or_default());
                break;
            }
        }
    }
    received();
    for payload in held {
        if !has_room(stream, payload.len()) {
            wait_for_room(stream).await?;
        }
        stream.send_data(payload, false).map_err(|_| PumpError::Gone)?;
    }
    let trailers = trailers.unwrap_or_default();
    sent.end(&trailers);
    if trailers.is_empty() {
        return stream.send_data(Payload::empty(), true).map_err(|_| PumpError::Gone);
    }
    stream.send_trailers(trailers).map_err(|_| PumpError::Gone)
}

/// Gives everything else on this thread a turn, including sockets that have become readable. `yield_now` alone returns
/// on any wake of the task, and the connection may wake it for each piece that it has written: the two would monopolize
/// the thread.
async fn give_way() {
    let _ = tokio::spawn(tokio::task::yield_now()).await;
}

/// Whether the stream accepts at least a part of `len` bytes now; it buffers what it cannot send yet.
fn has_room(stream: &SendStream, len: usize) -> bool {
    len == 0 || stream.capacity() > 0
}

/// Waits until the stream accepts anything.
async fn wait_for_room<E: Display>(stream: &mut SendStream) -> Result<(), PumpError<E>> {
    let room = poll_fn(|cx| stream.poll_capacity(cx).map(|room| room.map(drop).map_err(|_| PumpError::Gone)));
    tokio::time::timeout(STALL_MAX, room).await.map_err(|_| PumpError::Stalled)?
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Context;

    use http::{Request, Response};
    use http_body::Frame;
    use prism_http2::{client, server};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;

    use super::*;

    const FRAME: &[u8] = &[7; 16 * 1024];

    /// Always has another frame, and counts them.
    struct Endless(Arc<AtomicUsize>);

    impl Body for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(FRAME)))))
        }
    }

    /// A client that reads a response as fast as it arrives.
    async fn read_all(io: tokio::io::DuplexStream) {
        let (mut send, connection) = client::connect(io, client::Config::default());
        tokio::spawn(connection);
        let request = Request::get("http://localhost/").body(()).unwrap();
        let (response, _) = send.send_request(request, true).unwrap();
        let mut body = response.await.unwrap().into_body();
        while let Some(Ok(_)) = body.data().await {}
    }

    #[tokio::test]
    async fn sockets_are_read_beside_a_long_answer() {
        let (mut near, far) = tokio::io::duplex(1024 * 1024);
        tokio::spawn(read_all(far));
        server::read_preface(&mut near).await.unwrap();
        let mut connection = server::Connection::new(near, server::Config::default());
        let (_, mut stream) = connection.accept().await.unwrap().unwrap();
        tokio::spawn(async move { while connection.accept().await.is_some() {} });
        stream.send_response(Response::new(()), false).unwrap();

        // Not TCP, which may deliver later.
        let (mut client, mut server) = UnixStream::pair().unwrap();
        let frames = Arc::new(AtomicUsize::new(0));
        let body = Endless(Arc::clone(&frames));
        tokio::spawn(async move { pump(pin!(body), &mut stream, None, &mut Sent::default(), None).await });

        let rounds = 20;
        for _ in 0..rounds {
            // Reads before there is any data, so that it waits for the driver.
            let mut byte = [0];
            let (read, written) = tokio::join!(server.read_exact(&mut byte), client.write_all(b"?"));
            read.and(written).unwrap();
        }
        let bytes_each = frames.load(Ordering::Relaxed) * FRAME.len() / rounds;
        assert!(bytes_each <= 2 * TURN_BYTES, "{bytes_each} bytes were sent before a socket was read");
    }
}
