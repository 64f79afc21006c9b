//! The halves of a stream, as callers hold them. When both are dropped before the stream has ended, it is reset.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Response};

use crate::error::Error;
use crate::head::Head;
use crate::payload::Payload;
use crate::reason::Reason;
use crate::state::{Shared, set_waker};
use crate::stream::Key;

/// The receiving half of a stream.
#[derive(Debug)]
pub struct RecvStream(Handle);

/// The sending half of a stream.
#[derive(Debug)]
pub struct SendStream(Handle);

/// A reference to a stream.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) key: Key,
    /// Whether it is the half that receives.
    reads: bool,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.lock().release(self.key, self.reads);
    }
}

/// Both halves of a stream that counts two handles.
pub(crate) fn halves(shared: &Arc<Shared>, key: Key) -> (RecvStream, SendStream) {
    let half = |reads| Handle { shared: Arc::clone(shared), key, reads };
    (RecvStream(half(true)), SendStream(half(false)))
}

impl RecvStream {
    /// The next bytes of the body; `None` at its end. Taking them makes room for more in the peer's window.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let key = self.0.key;
        let mut state = self.0.shared.lock();
        let stream = &mut state.streams[key];
        if let Some(bytes) = stream.received.pop() {
            state.return_credit(bytes.len());
            state.return_stream_credit(key, bytes.len());
            return Poll::Ready(Some(Ok(bytes)));
        }
        if stream.has_received_end {
            return Poll::Ready(None);
        }
        if let Some(error) = &stream.error {
            return Poll::Ready(Some(Err(error.clone())));
        }
        set_waker(&mut stream.receiver, cx);
        Poll::Pending
    }

    /// The next bytes of the body; `None` at its end.
    pub async fn data(&mut self) -> Option<Result<Bytes, Error>> {
        std::future::poll_fn(|cx| self.poll_data(cx)).await
    }

    /// The trailers behind the body, if there are any; after [`poll_data`](Self::poll_data) has returned `None`.
    pub fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<HeaderMap>, Error>> {
        let mut state = self.0.shared.lock();
        let stream = &mut state.streams[self.0.key];
        if stream.has_received_end {
            return Poll::Ready(Ok(stream.trailers.take().map(|trailers| *trailers)));
        }
        if let Some(error) = &stream.error {
            return Poll::Ready(Err(error.clone()));
        }
        set_waker(&mut stream.receiver, cx);
        Poll::Pending
    }

    /// The trailers behind the body, if there are any.
    ///
    /// # Errors
    /// The stream was reset or lost.
    pub async fn trailers(&mut self) -> Result<Option<HeaderMap>, Error> {
        std::future::poll_fn(|cx| self.poll_trailers(cx)).await
    }

    /// Whether everything has been read, trailers included.
    #[must_use]
    pub fn is_end_stream(&self) -> bool {
        self.0.shared.lock().streams[self.0.key].is_read()
    }

    /// The head of a response.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<()>, Error>> {
        let mut state = self.0.shared.lock();
        let stream = &mut state.streams[self.0.key];
        if let Some(head) = stream.head.take() {
            return Poll::Ready(Ok(*head));
        }
        if let Some(error) = &stream.error {
            return Poll::Ready(Err(error.clone()));
        }
        set_waker(&mut stream.receiver, cx);
        Poll::Pending
    }
}

impl SendStream {
    /// Sends the head of a response, once. `end`: it is the whole response.
    ///
    /// # Errors
    /// The stream was reset or lost, or has ended.
    pub fn send_response(&mut self, mut head: Response<()>, end: bool) -> Result<(), Error> {
        // What is in there may be anything, and is not to be dropped under the lock.
        head.extensions_mut().clear();
        self.0.shared.lock().send_head(self.0.key, Head::Response(head), end)
    }

    /// Sends bytes of the body. What the peer does not accept yet is queued, however much it is: [`poll_capacity`](Self::poll_capacity)
    /// says how much is well received. `end`: the body and the stream end with it.
    ///
    /// # Errors
    /// The stream was reset or lost, or has ended.
    pub fn send_data(&mut self, payload: impl Into<Payload>, end: bool) -> Result<(), Error> {
        self.0.shared.lock().send_data(self.0.key, payload.into(), end)
    }

    /// Sends trailers, with which the stream ends.
    ///
    /// # Errors
    /// The stream was reset or lost, or has ended.
    pub fn send_trailers(&mut self, trailers: HeaderMap) -> Result<(), Error> {
        self.0.shared.lock().send_head(self.0.key, Head::Trailers(trailers), true)
    }

    /// Resets the stream, unless it has ended.
    pub fn send_reset(&mut self, reason: Reason) {
        self.0.shared.lock().reset(self.0.key, reason);
    }

    /// How many bytes can be sent now, or wait for nothing but the socket.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0.shared.lock().room(self.0.key)
    }

    /// Waits for [capacity](Self::capacity).
    ///
    /// # Errors
    /// The stream was reset or lost, or has ended.
    pub fn poll_capacity(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Error>> {
        self.0.shared.lock().poll_room(self.0.key, cx)
    }

    /// Ready once the stream was reset, by either side, or lost.
    pub fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let mut state = self.0.shared.lock();
        let stream = &mut state.streams[self.0.key];
        if let Some(error) = &stream.error {
            return Poll::Ready(error.clone());
        }
        set_waker(&mut stream.sender, cx);
        Poll::Pending
    }
}
