//! A connection and its socket: reads, handles what was read, writes.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BufMut as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use crate::error::Error;
use crate::output::PIECES_MAX;
use crate::reader::Reader;
use crate::reason::Reason;
use crate::state::{Phase, Role, Shared, State, set_waker};

/// What is read at once. A connection that has more to say gets its next turn after the others of its thread.
const READ_BYTES: usize = 16 * 1024;
const TURN_BYTES: usize = 32 * 1024;

thread_local! {
    /// Into what all connections of a thread are read.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A connection and its socket.
#[derive(Debug)]
pub(crate) struct Driver<S> {
    io: S,
    reader: Reader,
    pub(crate) shared: Arc<Shared>,
    /// What was read in this turn.
    turn: usize,
    /// The socket has been given bytes that it may hold back.
    is_unflushed: bool,
}

/// What a step has led to.
pub(crate) enum Step {
    /// Something was read.
    Read,
    /// The connection has ended.
    Ended(Result<(), Error>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    pub(crate) fn new(io: S, mut state: State) -> Self {
        state.output.is_unvectored = !io.is_write_vectored();
        Self {
            io,
            reader: Reader::default(),
            shared: Arc::new(Shared::new(state)),
            turn: 0,
            is_unflushed: false,
        }
    }

    /// Begins a turn: so much is read before the other connections of the thread have theirs.
    pub(crate) fn begin_turn(&mut self) {
        self.turn = 0;
    }

    /// Writes what there is, then reads once. Pending: there is nothing more to do until the socket, a stream or the next turn.
    pub(crate) fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        loop {
            let mut state = self.shared.lock();
            // From here on, what others hand over is seen by this turn.
            state.is_notified = true;
            set_waker(&mut state.driver, cx);
            let is_blocked = match poll_write(&mut self.io, &mut self.is_unflushed, &mut state, cx) {
                Poll::Ready(Ok(())) => false,
                Poll::Ready(Err(error)) => {
                    drop(state);
                    return Poll::Ready(Step::Ended(Err(self.lost_in_write(error, cx))));
                }
                Poll::Pending => true,
            };
            state.close_if_done();
            if state.phase == Phase::Closing && state.output.is_empty() {
                // Everything has been said; whether the peer hears the end does not matter.
                let _ = ready!(Pin::new(&mut self.io).poll_shutdown(cx));
                return Poll::Ready(Step::Ended(state.end()));
            }
            // A peer that reads nothing is not read, either, once it leaves too much unread, or is being cut off.
            if state.phase == Phase::Closing || state.is_flooded() {
                if is_blocked {
                    return state.rest();
                }
                continue;
            }
            if self.turn >= TURN_BYTES {
                cx.waker().wake_by_ref();
                return state.rest();
            }
            drop(state);
            match self.poll_read(cx) {
                Poll::Ready(Ok(0)) => {
                    self.shared.lock().fail(&Error::broken_pipe());
                    return Poll::Ready(Step::Ended(Ok(())));
                }
                Poll::Ready(Ok(_)) => return Poll::Ready(Step::Read),
                Poll::Ready(Err(ReadError::Io(error))) => {
                    return Poll::Ready(Step::Ended(Err(self.lost(error))));
                }
                Poll::Ready(Err(ReadError::Broken(error))) => self.shared.lock().abort(&error),
                Poll::Pending => {
                    let mut state = self.shared.lock();
                    state.close_if_done();
                    if is_blocked || (state.output.is_empty() && state.phase != Phase::Closing) {
                        return state.rest();
                    }
                }
            }
        }
    }

    /// What the peer has said before the connection was lost says more than the error of a write: a GOAWAY, an alert of TLS.
    fn lost_in_write(&mut self, error: io::Error, cx: &mut Context<'_>) -> Error {
        loop {
            match self.poll_read(cx) {
                Poll::Ready(Ok(read)) if read > 0 => {}
                Poll::Ready(Err(ReadError::Io(said))) => return self.lost(said),
                _ => return self.lost(error),
            }
        }
    }

    fn lost(&self, error: io::Error) -> Error {
        let error = Error::from(error);
        self.shared.lock().fail(&error);
        error
    }

    /// Reads once, and handles what was read.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, ReadError>> {
        if let Some((payload, missing)) = self.reader.direct() {
            let mut rest = payload.limit(missing);
            let read = ready!(pin!(self.io.read_buf(&mut rest)).poll(cx)).map_err(ReadError::Io)?;
            self.turn += read;
            self.reader.directly_read(&mut self.shared.lock()).map_err(ReadError::Broken)?;
            return Poll::Ready(Ok(read));
        }
        let mut buffer = BUFFER.take();
        buffer.resize(READ_BYTES, 0);
        let mut unread = ReadBuf::new(&mut buffer);
        let polled = Pin::new(&mut self.io).poll_read(cx, &mut unread);
        let handled = polled.map(|read| {
            read.map_err(ReadError::Io)?;
            let bytes = unread.filled();
            self.turn += bytes.len();
            self.reader.read(bytes, &mut self.shared.lock()).map_err(ReadError::Broken)?;
            Ok(bytes.len())
        });
        BUFFER.set(buffer);
        handled
    }
}

/// Ready once everything has been written.
fn poll_write(
    io: &mut (impl AsyncWrite + Unpin),
    is_unflushed: &mut bool,
    state: &mut State,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while !state.output.is_empty() {
        let output = &state.output;
        let wrote = if output.is_one() || output.is_unvectored {
            Pin::new(&mut *io).poll_write(cx, output.first())
        } else {
            let mut slices = [IoSlice::new(&[]); PIECES_MAX];
            let count = output.slices(&mut slices);
            Pin::new(&mut *io).poll_write_vectored(cx, &slices[..count])
        };
        match ready!(wrote)? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            bytes => state.wrote(bytes),
        }
        *is_unflushed = true;
    }
    if *is_unflushed {
        ready!(Pin::new(io).poll_flush(cx))?;
        *is_unflushed = false;
    }
    Poll::Ready(Ok(()))
}

impl<S> Drop for Driver<S> {
    fn drop(&mut self) {
        self.shared.lock().fail(&Error::broken_pipe());
    }
}

enum ReadError {
    Io(io::Error),
    /// The peer has broken a rule.
    Broken(Error),
}

impl State {
    /// Ends the turn: from here on, whoever hands something over wakes the connection.
    fn rest<T>(&mut self) -> Poll<T> {
        self.is_notified = false;
        Poll::Pending
    }

    /// Ends the connection, all of whose bytes have been written.
    fn end(&mut self) -> Result<(), Error> {
        let ended = self.error.clone().or_else(|| self.goaway.clone());
        self.fail(&Error::broken_pipe());
        match ended {
            Some(error) if error.reason() != Some(Reason::NO_ERROR) => Err(error),
            _ => Ok(()),
        }
    }

    /// Ends a connection on which nothing is left to be done.
    fn close_if_done(&mut self) {
        if !self.streams.is_empty() || self.phase == Phase::Closing {
            return;
        }
        let is_unused = self.role == Role::Client && self.openers_held == 0;
        if is_unused && self.goaway.is_none() {
            self.send_go_away(0, Reason::NO_ERROR, "");
        }
        if is_unused || self.goaway.is_some() || self.phase == Phase::Leaving {
            self.phase = Phase::Closing;
        }
    }
}
