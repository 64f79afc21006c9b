//! A socket that is read in larger pieces than it is asked for.
//!
//! rustls reads 4 KiB at a time, while a record has up to 16 KiB. The buffer in between is taken from a few that the
//! thread keeps, and given back as soon as it is empty, so that an idle connection holds none.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is read at once: two of the largest records.
const BUFFER_BYTES: usize = 32 * 1024;

/// How many buffers a thread keeps. A connection has emptied its own before the next one's turn, unless it waits for the
/// rest of a turn.
const KEPT_MAX: usize = 16;

thread_local! {
    static KEPT: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

fn take() -> Box<[u8]> {
    let kept = KEPT.try_with(|kept| kept.borrow_mut().pop()).ok().flatten();
    kept.unwrap_or_else(|| vec![0; BUFFER_BYTES].into_boxed_slice())
}

fn give_back(buffer: Box<[u8]>) {
    // At the end of the thread, there is nothing to keep it in.
    let _ = KEPT.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        if kept.len() < KEPT_MAX {
            kept.push(buffer);
        }
    });
}

/// Bytes that were read and not yet asked for: never empty.
struct Ahead {
    buffer: Box<[u8]>,
    from: usize,
    to: usize,
}

/// A stream that is read ahead.
pub(crate) struct ReadAhead<S> {
    stream: S,
    ahead: Option<Ahead>,
}

impl<S: AsyncRead + Unpin> ReadAhead<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, ahead: None }
    }

    /// Reads until there are `len` bytes ahead, or the stream has ended, and shows them without taking them. `len` is at
    /// most the buffer's size.
    pub(crate) async fn peek(&mut self, len: usize) -> io::Result<&[u8]> {
        while self.bytes().len() < len {
            let before = self.bytes().len();
            std::future::poll_fn(|cx| self.poll_more(cx)).await?;
            if self.bytes().len() == before {
                break;
            }
        }
        Ok(self.bytes())
    }

    /// The bytes that are there already.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.ahead.as_ref().map_or(&[], |ahead| &ahead.buffer[ahead.from..ahead.to])
    }

    /// Takes bytes that are there already.
    pub(crate) fn take_ahead(&mut self, into: &mut ReadBuf<'_>) {
        let Some(mut ahead) = self.ahead.take() else { return };
        let len = into.remaining().min(ahead.to - ahead.from);
        into.put_slice(&ahead.buffer[ahead.from..ahead.from + len]);
        ahead.from += len;
        if ahead.from == ahead.to {
            give_back(ahead.buffer);
        } else {
            self.ahead = Some(ahead);
        }
    }

    /// The stream.
    pub(crate) fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Reads once, behind what is there already.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Ahead { mut buffer, from, to } =
            self.ahead.take().unwrap_or_else(|| Ahead { buffer: take(), from: 0, to: 0 });
        let mut room = ReadBuf::new(&mut buffer[to..]);
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut room);
        let to = to + room.filled().len();
        if from == to {
            give_back(buffer);
        } else {
            self.ahead = Some(Ahead { buffer, from, to });
        }
        polled
    }
}

impl<S> Drop for ReadAhead<S> {
    fn drop(&mut self) {
        if let Some(ahead) = self.ahead.take() {
            give_back(ahead.buffer);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadAhead<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_none() {
            ready!(self.poll_more(cx))?;
        }
        self.take_ahead(into);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadAhead<S> {
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
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn bytes_are_read_ahead_and_an_idle_stream_holds_no_buffer() {
        let (near, mut far) = tokio::io::duplex(2 * BUFFER_BYTES);
        let mut stream = ReadAhead::new(near);
        let data: Vec<u8> = (0..BUFFER_BYTES + 100).map(|at| at.to_le_bytes()[0]).collect();
        far.write_all(&data).await.unwrap();
        assert_eq!(stream.peek(3).await.unwrap()[..3], data[..3]);
        let mut read = vec![0; data.len()];
        stream.read_exact(&mut read[..7]).await.unwrap();
        assert_eq!(stream.bytes().len(), BUFFER_BYTES - 7);
        stream.read_exact(&mut read[7..]).await.unwrap();
        assert_eq!(read, data);
        let waiting = tokio::time::timeout(std::time::Duration::ZERO, stream.read_u8()).await;
        assert!(waiting.is_err() && stream.ahead.is_none());
        assert_eq!(KEPT.with(|kept| kept.borrow().len()), 1);
        drop(far);
        assert_eq!(stream.peek(1).await.unwrap(), b"");
        assert_eq!(stream.read(&mut read).await.unwrap(), 0);
    }
}
