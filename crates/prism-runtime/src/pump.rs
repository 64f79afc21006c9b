//! Moves a body into an HTTP/2 stream as fast as the receiver takes it.

use std::fmt::Display;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use http_body::{Body, Frame, SizeHint};

/// How long a receiver may take nothing while there is something to send. One that stalls for longer is cut off:
/// what it has not read holds memory here and windows behind.
pub const STALL_MAX: Duration = Duration::from_secs(60);

/// Why a body did not arrive whole.
#[derive(Debug, thiserror::Error)]
pub enum PumpError<E: Display> {
    /// The body failed.
    #[error("{0}")]
    Source(E),
    /// The receiver reset the stream, or its connection is gone.
    #[error("the receiver is gone")]
    Gone,
    /// The receiver took nothing for [`STALL_MAX`].
    #[error("the receiver took nothing for {} s", STALL_MAX.as_secs())]
    Stalled,
}

/// Sends the frames of a body and ends the stream with the body's trailers, or without.
///
/// # Errors
/// [`PumpError`]; the stream has then not been ended.
///
/// # Cancel safety
/// What was taken from the body has been handed to the stream, except for one frame that waits for the receiver.
pub async fn pump<B>(mut body: Pin<&mut B>, stream: &mut SendStream<Bytes>) -> Result<(), PumpError<B::Error>>
where
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    loop {
        let next = poll_fn(|cx| match body.as_mut().poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Ok(frame)),
            Poll::Pending => stream.poll_reset(cx).map(|_| Err(PumpError::Gone)),
        });
        let Some(frame) = next.await?.transpose().map_err(PumpError::Source)? else {
            return stream.send_data(Bytes::new(), true).map_err(|_| PumpError::Gone);
        };
        match frame.into_data() {
            Ok(data) => {
                let end = body.is_end_stream();
                if !data.is_empty() || end {
                    wait_for_room(stream, data.len()).await?;
                    stream.send_data(data, end).map_err(|_| PumpError::Gone)?;
                }
                if end {
                    return Ok(());
                }
            }
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                return stream.send_trailers(trailers).map_err(|_| PumpError::Gone);
            }
        }
    }
}

/// Waits until the stream takes at least a part of `len` bytes; what it does not take yet, it holds.
async fn wait_for_room<E: Display>(stream: &mut SendStream<Bytes>, len: usize) -> Result<(), PumpError<E>> {
    if len == 0 {
        return Ok(());
    }
    stream.reserve_capacity(len);
    if stream.capacity() > 0 {
        return Ok(());
    }
    let room = poll_fn(|cx| {
        if stream.poll_reset(cx).is_ready() {
            return Poll::Ready(Err(PumpError::Gone));
        }
        stream.poll_capacity(cx).map(|capacity| match capacity {
            Some(Ok(_)) => Ok(()),
            Some(Err(_)) | None => Err(PumpError::Gone),
        })
    });
    tokio::time::timeout(STALL_MAX, room).await.map_err(|_| PumpError::Stalled)?
}

/// The receiving half of an HTTP/2 stream as a body; each frame makes room for the next when it is taken.
#[derive(Debug)]
pub struct Incoming {
    stream: RecvStream,
    data_ended: bool,
}

impl Incoming {
    /// Wraps a stream.
    #[must_use]
    pub fn new(stream: RecvStream) -> Self {
        Self { stream, data_ended: false }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if !self.data_ended {
            match self.stream.poll_data(cx) {
                Poll::Ready(Some(Ok(data))) => {
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => self.data_ended = true,
                Poll::Pending => return Poll::Pending,
            }
        }
        self.stream
            .poll_trailers(cx)
            .map(|trailers| trailers.map(|found| found.map(Frame::trailers)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
