//! A socket as HTTP/2 reads it: first the bytes that were inspected to detect the protocol, then the rest in turns.
//!
//! h2 reads everything available before it yields the next stream. A turn therefore limits what may be read until all
//! streams that came with it have been accepted; whoever accepts them [begins](Turn::begin) the next.

use std::io::{self, Cursor};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The first bytes of HTTP/2.
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How much is read from a socket before the streams that came with it are accepted. h2 counts the streams that were
/// reset before they were accepted, and closes a connection with more than `UNACCEPTED_RESETS_MAX` of them: a head and
/// its reset take at least some 30 bytes, so a client that cancels many calls at once stays below it.
pub(crate) const TURN_BYTES: usize = 32 * 1024;

/// A stream whose first bytes have been inspected, and which is read in [turns](TURN_BYTES).
pub(crate) struct Turns<S> {
    begin: Cursor<[u8; PREFACE.len()]>,
    stream: S,
    turn: Turn,
}

impl<S> Turns<S> {
    /// A stream that began with these bytes.
    pub(crate) fn new(begin: [u8; PREFACE.len()], stream: S) -> Self {
        Self { begin: Cursor::new(begin), stream, turn: Turn::default() }
    }

    /// The handle that begins its turns.
    pub(crate) fn turn(&self) -> Turn {
        self.turn.clone()
    }
}

/// How much was read in this turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turn(Arc<AtomicUsize>);

impl Turn {
    /// Begins a turn.
    pub(crate) fn begin(&self) {
        self.0.store(0, Relaxed);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Turns<S> {
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
        let turn = self.turn.0.load(Relaxed);
        if turn >= TURN_BYTES {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.turn.0.store(turn + buffer.filled().len() - before, Relaxed);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Turns<S> {
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
