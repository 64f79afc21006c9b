//! The receiving half of an HTTP/2 stream as a body, and what has already been read from it.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body, Frame, SizeHint};

/// Bytes read from a stream that the sender's window does not have back yet. A small amount is not announced: most
/// calls have just one small message each way, and h2 returns the rest with the stream.
#[derive(Debug, Default)]
pub(crate) struct Room {
    owed: usize,
}

impl Room {
    /// A stream may owe this much twice: for its first message and for what follows. Its window must be larger, and its
    /// connection's so large that all streams together leave room in it.
    pub(crate) const OWED_BYTES_MAX: usize = 2 * 1024;

    /// Records that bytes were read from the stream.
    pub(crate) fn taken(&mut self, bytes: usize, stream: &mut RecvStream) {
        self.owed += bytes;
        if self.owed > Self::OWED_BYTES_MAX {
            // Fails only if more is released than was received.
            let _ = stream.flow_control().release_capacity(mem::take(&mut self.owed));
        }
    }
}

/// The receiving half of an HTTP/2 stream as a body. Reading it opens the window again, by 2 KiB or more at a time; the
/// stream's window must be larger than that (HTTP/2's default is 64 KiB).
#[derive(Debug)]
pub struct Incoming {
    stream: RecvStream,
    room: Room,
    data_ended: bool,
}

impl Incoming {
    /// Wraps a stream.
    #[must_use]
    pub fn new(stream: RecvStream) -> Self {
        Self { stream, room: Room::default(), data_ended: false }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let this = &mut *self;
        if !this.data_ended {
            match this.stream.poll_data(cx) {
                Poll::Ready(Some(Ok(data))) => {
                    this.room.taken(data.len(), &mut this.stream);
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => this.data_ended = true,
                Poll::Pending => return Poll::Pending,
            }
        }
        this.stream
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

/// A body of bytes that have already arrived, followed by what may still arrive on the stream.
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
    /// Continues with what arrives.
    #[must_use]
    pub fn then(self, following: Incoming) -> Self {
        Self { following: Some(following), ..self }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        match (self.pieces.next(), &mut self.following) {
            (Some(piece), _) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            (None, Some(following)) => Pin::new(following).poll_frame(cx),
            (None, None) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.len() == 0 && self.following.as_ref().is_none_or(Body::is_end_stream)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use http::Request;

    use super::*;
    use crate::pump::STALL_MAX;

    #[tokio::test(start_paused = true)]
    async fn small_pieces_make_room_for_more_than_the_window() {
        const PIECE: &[u8] = &[7; 1000];
        const PIECES: usize = 1000;
        let (near, far) = tokio::io::duplex(1024 * 1024);
        tokio::spawn(async move {
            let (mut send, connection) = h2::client::handshake(far).await.unwrap();
            tokio::spawn(connection);
            let (response, mut stream) =
                send.send_request(Request::post("http://localhost/").body(()).unwrap(), false).unwrap();
            for piece in 1..=PIECES {
                stream.send_data(Bytes::from_static(PIECE), piece == PIECES).unwrap();
            }
            response.await
        });
        let mut connection = h2::server::handshake(near).await.unwrap();
        let (request, _respond) = connection.accept().await.unwrap().unwrap();
        tokio::spawn(async move { while connection.accept().await.is_some() {} });

        let mut body = pin!(Incoming::new(request.into_body()));
        let mut received = 0;
        let all = async {
            while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
                received += frame.unwrap().into_data().map_or(0, |data| data.len());
            }
        };
        // The paused clock advances by itself when every task waits.
        let ended = tokio::time::timeout(STALL_MAX, all).await;
        assert_eq!((ended.is_ok(), received), (true, PIECE.len() * PIECES));
    }
}
