//! The receiving half of an HTTP/2 stream as a body, and what has already been read from it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use prism_http2::{Error, RecvStream};

/// The receiving half of an HTTP/2 stream as a body.
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
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if !this.data_ended {
            match this.stream.poll_data(cx) {
                Poll::Ready(Some(Ok(data))) => return Poll::Ready(Some(Ok(Frame::data(data)))),
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
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
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
