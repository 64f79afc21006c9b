//! Messages as the body of a response.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec::IntoIter;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_core::Stream;
use futures_core::stream::BoxStream;
use http_body::{Body, Frame};
use prism_proto::{Error, ErrorReason, limits};
use prost::Message;

use crate::head::success;
use crate::message::PREFIX_BYTES;

/// Messages that are ready travel together, up to about so many bytes.
const FRAME_BYTES: usize = 32 * 1024;

/// Messages with their prefixes, and the trailers of a success.
pub(crate) struct Frames<M> {
    chunks: BoxStream<'static, Result<Vec<M>, Error>>,
    messages: IntoIter<M>,
    /// What follows the messages: the trailers or an error.
    end: Option<Result<(), Error>>,
}

impl<M> Frames<M> {
    pub(crate) fn new(chunks: impl Stream<Item = Result<Vec<M>, Error>> + Send + 'static) -> Self {
        Self { chunks: Box::pin(chunks), messages: Vec::new().into_iter(), end: None }
    }
}

impl<M: Message + Unpin> Body for Frames<M> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut framed = BytesMut::new();
        while framed.len() < FRAME_BYTES {
            if let Some(message) = self.messages.next() {
                if let Err(error) = append(&message, &mut framed) {
                    (self.messages, self.end) = (Vec::new().into_iter(), Some(Err(error)));
                }
            } else if self.end.is_some() {
                break;
            } else {
                match self.chunks.as_mut().poll_next(cx) {
                    Poll::Ready(Some(Ok(chunk))) => self.messages = chunk.into_iter(),
                    Poll::Ready(Some(Err(error))) => self.end = Some(Err(error)),
                    Poll::Ready(None) => self.end = Some(Ok(())),
                    Poll::Pending if framed.is_empty() => return Poll::Pending,
                    Poll::Pending => break,
                }
            }
        }
        if !framed.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(framed.freeze()))));
        }
        let end = self.end.clone().unwrap_or(Ok(()));
        Poll::Ready(Some(end.map(|()| Frame::trailers(success()))))
    }
}

/// A message with its prefix.
pub(crate) fn encode(message: &impl Message) -> Result<Bytes, Error> {
    let mut framed = BytesMut::new();
    append(message, &mut framed)?;
    Ok(framed.freeze())
}

/// Appends a message with its prefix.
fn append(message: &impl Message, framed: &mut BytesMut) -> Result<(), Error> {
    let len = message.encoded_len();
    if len > limits::MESSAGE_BYTES_MAX {
        let limit = limits::MESSAGE_BYTES_MAX;
        let why = format!("the response is {len} bytes long; the limit is {limit} bytes");
        return Err(Error::new(ErrorReason::Internal, why)
            .with("limit", limit.to_string())
            .with("size", len.to_string()));
    }
    framed.reserve(PREFIX_BYTES + len);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(len).expect("the limit is below 4 GiB"));
    message.encode(framed).expect("there is room for the whole message");
    Ok(())
}
