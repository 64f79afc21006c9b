//! Sending commands on a connection, and giving each caller its answers.
//!
//! A command is encoded into the connection's output by its caller; what callers add while the connection's task is busy travels in one
//! write. Answers come back in the order of the commands. A caller that goes away leaves its place in that order, and its answer is dropped.
//! Nothing is sent twice.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::sync::{Semaphore, oneshot};

use super::cmd::Cmd;
use super::decoder::Decoder;
use super::value::Value;

/// How many bytes of commands wait to be written before callers wait for room. Longer commands, or batches, go alone.
const OUTPUT_MAX: usize = 256 * 1024;

/// The room for answers that is there before they are read, and how much more is made at once for a long one.
const INPUT_MIN: usize = 4 * 1024;
const INPUT_BYTES: usize = 16 * 1024;
const INPUT_STEP: usize = 1024 * 1024;

/// Why a command has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// The connection had ended; nothing was sent.
    Unsent,
    /// It ended before the answer.
    Lost,
    /// What came is not RESP3.
    Malformed,
}

/// Sends commands on a connection. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Wire(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Bytes of commands that there is room for.
    room: Semaphore,
}

#[derive(Default)]
struct State {
    /// Commands that have not been written, and how much of the room they take.
    output: Vec<u8>,
    taken: usize,
    /// Who gets the next answers, and how many of them have their commands in `output`.
    callers: VecDeque<Caller>,
    unwritten: usize,
    /// The connection's task, and whether it knows that there is something to write.
    task: Option<Waker>,
    is_notified: bool,
    /// A write has failed. What the server has said before is still read.
    is_broken: bool,
    ended: Option<Unanswered>,
}

/// What a caller gets.
type Answered<T> = Result<T, Unanswered>;

/// Who gets answers.
enum Caller {
    One(oneshot::Sender<Answered<Value>>),
    Many { answers: Vec<Value>, left: usize, to: oneshot::Sender<Answered<Vec<Value>>> },
}

impl fmt::Debug for Wire {
    /// Nothing: commands have users' bytes in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl Wire {
    /// A connection over a socket, and what moves its bytes: to be polled until it ends.
    pub(crate) fn new<S>(socket: S) -> (Self, impl Future<Output = ()> + Send + use<S>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let shared = Arc::new(Shared { state: Mutex::default(), room: Semaphore::new(OUTPUT_MAX) });
        let mut driver = Driver::new(socket, Arc::clone(&shared));
        let drive = async move {
            let ended = poll_fn(|cx| driver.poll(cx)).await;
            driver.shared.end(ended);
        };
        (Self(shared), drive)
    }

    /// Whether nothing can be sent any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.state().refuses()
    }

    /// Sends a command and waits for its answer.
    pub(crate) async fn send(&self, command: &Cmd) -> Result<Value, Unanswered> {
        let (to, answer) = oneshot::channel();
        self.put(&[command], Caller::One(to)).await?;
        answer.await.unwrap_or_else(|_| Err(self.why()))
    }

    /// Sends commands together and waits for all of their answers.
    pub(crate) async fn send_all(&self, commands: &[impl AsRef<Cmd>]) -> Result<Vec<Value>, Unanswered> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let (to, answers) = oneshot::channel();
        let left = commands.len();
        self.put(commands, Caller::Many { answers: Vec::with_capacity(left), left, to }).await?;
        answers.await.unwrap_or_else(|_| Err(self.why()))
    }

    /// Puts commands into the output once there is room.
    async fn put(&self, commands: &[impl AsRef<Cmd>], caller: Caller) -> Result<(), Unanswered> {
        let bytes: usize = commands.iter().map(|command| command.as_ref().len()).sum();
        let bytes = bytes.min(OUTPUT_MAX);
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let room = match self.0.room.try_acquire_many(permits) {
            Ok(room) => room,
            Err(_) => self.0.room.acquire_many(permits).await.map_err(|_| Unanswered::Unsent)?,
        };
        let mut state = self.0.state();
        if state.refuses() {
            return Err(Unanswered::Unsent);
        }
        room.forget();
        state.taken += bytes;
        commands.iter().for_each(|command| command.as_ref().write(&mut state.output));
        state.callers.push_back(caller);
        state.unwritten += 1;
        if !state.is_notified {
            state.is_notified = true;
            if let Some(task) = &state.task {
                task.wake_by_ref();
            }
        }
        Ok(())
    }

    /// Ends the connection; what is in flight is lost.
    pub(crate) fn close(&self) {
        self.0.end(Unanswered::Lost);
    }

    /// Why an answer does not come.
    fn why(&self) -> Unanswered {
        self.0.state().ended.unwrap_or(Unanswered::Lost)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connection: callers get no answers any more.
    fn end(&self, why: Unanswered) {
        let mut state = self.state();
        if state.ended.is_none() {
            state.ended = Some(why);
            self.room.close();
            state.output = Vec::new();
            if let Some(task) = state.task.take() {
                task.wake();
            }
            let mut callers = std::mem::take(&mut state.callers);
            let unsent = callers.split_off(callers.len() - std::mem::take(&mut state.unwritten));
            // They take the lock when they wake up.
            drop(state);
            drop(callers);
            unsent.into_iter().for_each(Caller::refuse);
        }
    }
}

impl Caller {
    /// Nothing of what it wanted has been sent.
    fn refuse(self) {
        match self {
            Self::One(to) => drop(to.send(Err(Unanswered::Unsent))),
            Self::Many { to, .. } => drop(to.send(Err(Unanswered::Unsent))),
        }
    }
}

impl State {
    /// Whether nothing can be sent any more.
    fn refuses(&self) -> bool {
        self.is_broken || self.ended.is_some()
    }

    /// Gives an answer to whom it belongs.
    ///
    /// # Errors
    /// Nobody's command has been sent that has no answer yet.
    fn answer(&mut self, answer: Value) -> Result<(), Unanswered> {
        let is_asked_for = self.callers.len() > self.unwritten;
        match is_asked_for.then(|| self.callers.pop_front()).flatten() {
            None => return Err(Unanswered::Malformed),
            Some(Caller::One(to)) => drop(to.send(Ok(answer))),
            Some(Caller::Many { mut answers, left, to }) => {
                answers.push(answer);
                if left > 1 {
                    self.callers.push_front(Caller::Many { answers, left: left - 1, to });
                } else {
                    let _ = to.send(Ok(answers));
                }
            }
        }
        Ok(())
    }
}

/// A connection's socket, and what is on its way through it.
struct Driver<S> {
    socket: S,
    shared: Arc<Shared>,
    decoder: Decoder,
    input: BytesMut,
    /// The most that `input` has had room for.
    input_max: usize,
    /// What is being written, how much of it has been, and how much of the room it takes.
    output: Vec<u8>,
    written: usize,
    taken: usize,
    is_unflushed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    fn new(socket: S, shared: Arc<Shared>) -> Self {
        Self {
            socket,
            shared,
            decoder: Decoder::default(),
            input: BytesMut::new(),
            input_max: 0,
            output: Vec::new(),
            written: 0,
            taken: 0,
            is_unflushed: false,
        }
    }

    /// Ready once the connection has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Unanswered> {
        loop {
            let state = self.shared.state();
            if let Some(why) = state.ended {
                return Poll::Ready(why);
            }
            let is_broken = state.is_broken;
            drop(state);
            let is_blocked = is_broken
                || match self.poll_write(cx) {
                    Poll::Ready(Ok(())) => false,
                    Poll::Ready(Err(_)) => {
                        // The connection ends when there is nothing more to read.
                        self.shared.state().is_broken = true;
                        true
                    }
                    Poll::Pending => true,
                };
            match self.poll_read(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(why)) => return Poll::Ready(why),
                Poll::Pending => {
                    let mut state = self.shared.state();
                    if let Some(why) = state.ended {
                        return Poll::Ready(why);
                    }
                    if is_blocked || state.output.is_empty() {
                        // From here on, whoever sends something wakes the task, unless it waits for the socket in any case.
                        state.is_notified = is_blocked;
                        if !state.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
                            state.task = Some(cx.waker().clone());
                        }
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Ready once everything has been written.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while self.written < self.output.len() {
                match ready!(Pin::new(&mut self.socket).poll_write(cx, &self.output[self.written..]))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    bytes => self.written += bytes,
                }
                self.is_unflushed = true;
            }
            self.output.clear();
            self.output.shrink_to(OUTPUT_MAX);
            self.written = 0;
            self.shared.room.add_permits(std::mem::take(&mut self.taken));
            let mut state = self.shared.state();
            state.is_notified = true;
            if state.output.is_empty() {
                break;
            }
            std::mem::swap(&mut state.output, &mut self.output);
            self.taken = std::mem::take(&mut state.taken);
            state.unwritten = 0;
        }
        if self.is_unflushed {
            ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
            self.is_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once, and gives out the answers that have arrived whole.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unanswered>> {
        let wanted = self.decoder.missing().clamp(INPUT_MIN, INPUT_STEP);
        if self.input.capacity() - self.input.len() < wanted {
            self.input.reserve(wanted.max(INPUT_BYTES));
            self.input_max = self.input_max.max(self.input.capacity());
        }
        let read = std::pin::pin!(self.socket.read_buf(&mut self.input));
        match ready!(read.poll(cx)) {
            Ok(0) | Err(_) => return Poll::Ready(Err(Unanswered::Lost)),
            Ok(_) => {}
        }
        let mut state = self.shared.state();
        while let Some(answer) = self.decoder.next(&mut self.input).map_err(|_| Unanswered::Malformed)? {
            state.answer(answer)?;
        }
        drop(state);
        if self.input_max > INPUT_STEP
            && self.decoder.missing() <= INPUT_MIN
            && self.input.len() <= INPUT_BYTES
        {
            // A long answer is over. Its room is returned.
            self.input = BytesMut::from(&self.input[..]);
            self.input_max = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S> Drop for Driver<S> {
    fn drop(&mut self) {
        self.shared.end(Unanswered::Lost);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;
    use crate::resp::{Refusal, cmd};

    /// A connection whose other end is the test.
    fn open(buffer: usize) -> (Wire, DuplexStream) {
        let (near, far) = duplex(buffer);
        let (wire, driver) = Wire::new(near);
        tokio::spawn(driver);
        (wire, far)
    }

    fn echo(number: usize) -> Cmd {
        cmd("ECHO").arg(number)
    }

    /// Reads so many commands and returns their last arguments.
    async fn commands(far: &mut DuplexStream, count: usize) -> Vec<Bytes> {
        let (mut decoder, mut input, mut read) = (Decoder::default(), BytesMut::new(), Vec::new());
        while read.len() < count {
            match decoder.next(&mut input).unwrap() {
                Some(Value::Array(mut arguments)) => match arguments.pop() {
                    Some(Value::BulkString(last)) => read.push(last),
                    other => panic!("{other:?}"),
                },
                Some(other) => panic!("{other:?}"),
                None => assert!(far.read_buf(&mut input).await.unwrap() > 0, "the connection has ended"),
            }
        }
        assert!(input.is_empty(), "one more has come");
        read
    }

    async fn answer(far: &mut DuplexStream, answers: &[Bytes]) {
        for answer in answers {
            let line = [&b"$"[..], answer.len().to_string().as_bytes(), b"\r\n", answer, b"\r\n"].concat();
            far.write_all(&line).await.unwrap();
        }
    }

    #[tokio::test]
    async fn each_caller_gets_its_own_answers_also_behind_one_that_has_gone() {
        for buffer in [1, 7, 1 << 20] {
            let (wire, mut far) = open(buffer);
            let calls: Vec<_> = (0..100)
                .map(|number| {
                    let wire = wire.clone();
                    tokio::spawn(async move {
                        if number % 3 > 0 {
                            return vec![wire.send(&echo(number)).await.unwrap()];
                        }
                        wire.send_all(&[echo(number), echo(number)]).await.unwrap()
                    })
                })
                .collect();
            let sent = commands(&mut far, 134).await;
            calls[0].abort();
            calls[50].abort();
            let answering = tokio::spawn(async move {
                answer(&mut far, &sent).await;
                far
            });
            for (number, call) in calls.into_iter().enumerate() {
                let answers = match call.await {
                    Ok(answers) => answers,
                    Err(error) => {
                        assert!(error.is_cancelled() && [0, 50].contains(&number), "{error}");
                        continue;
                    }
                };
                let own = Value::BulkString(number.to_string().into());
                assert_eq!(answers, vec![own; if number % 3 > 0 { 1 } else { 2 }]);
            }
            drop(answering.await.unwrap());
            assert_eq!(wire.send_all(&[] as &[Cmd]).await, Ok(vec![]));
        }
    }

    #[tokio::test]
    async fn what_the_server_does_not_read_is_bounded_and_one_that_waits_for_room_sends_nothing_later() {
        let (wire, mut far) = open(64);
        let value = vec![b'x'; OUTPUT_MAX];
        let calls: Vec<_> = (0..4)
            .map(|number| {
                let (wire, command) = (wire.clone(), cmd("SET").arg(&value[..]).arg(number as u8));
                tokio::spawn(async move { wire.send(&command).await })
            })
            .collect();
        while wire.0.state().callers.is_empty() {
            tokio::task::yield_now().await;
        }
        // The first one alone has taken all the room.
        calls[1].abort();
        assert!(wire.0.state().callers.len() == 1 && wire.0.room.available_permits() == 0);
        let sent = commands(&mut far, 3).await;
        assert_eq!(sent, ["0", "2", "3"].map(Bytes::from));
        drop(far);
        for (number, call) in calls.into_iter().enumerate() {
            match call.await {
                Ok(outcome) => assert_eq!(outcome, Err(Unanswered::Lost)),
                Err(_) => assert_eq!(number, 1),
            }
        }
        assert_eq!(wire.send(&echo(1)).await, Err(Unanswered::Unsent));
        assert!(wire.has_ended());
    }

    #[tokio::test]
    async fn whoever_waits_for_room_when_a_connection_ends_has_sent_nothing() {
        let (wire, _far) = open(64);
        let large = cmd("SET").arg(&vec![b'x'; OUTPUT_MAX][..]);
        let (first, second) = (wire.send(&large), wire.send(&large));
        let ended = async {
            while wire.0.state().unwritten > 0 || wire.0.state().callers.is_empty() {
                tokio::task::yield_now().await;
            }
            wire.close();
        };
        let outcomes = tokio::join!(first, second, ended);
        assert_eq!((outcomes.0, outcomes.1), (Err(Unanswered::Lost), Err(Unanswered::Unsent)));
    }

    #[tokio::test]
    async fn answers_that_came_before_the_end_are_read_although_a_write_fails() {
        let (wire, mut far) = open(1024);
        let (first, second) = (echo(1), echo(2));
        let ended = async {
            let sent = commands(&mut far, 1).await;
            answer(&mut far, &sent).await;
            drop(far);
            // Sent before the connection's task knows the end.
            wire.send(&second).await
        };
        let (answered, refused) = tokio::join!(wire.send(&first), ended);
        assert_eq!((answered, refused), (Ok(Value::BulkString("1".into())), Err(Unanswered::Lost)));
        assert_eq!(wire.send(&first).await, Err(Unanswered::Unsent));
    }

    #[tokio::test]
    async fn what_waited_behind_a_write_when_a_connection_was_closed_was_not_sent() {
        let (wire, _far) = open(64);
        let (large, small) = (cmd("SET").arg(&[b'x'; 1024][..]), echo(1));
        let closed = async {
            // The first is being written, so the second waits.
            while wire.0.state().unwritten > 0 || wire.0.state().callers.is_empty() {
                tokio::task::yield_now().await;
            }
            let second = wire.send(&small);
            let closing = async { wire.close() };
            tokio::join!(second, closing).0
        };
        let outcomes = tokio::join!(wire.send(&large), closed);
        assert_eq!(outcomes, (Err(Unanswered::Lost), Err(Unanswered::Unsent)));
    }

    #[tokio::test]
    async fn the_room_of_a_long_answer_is_returned() {
        let (near, mut far) = duplex(1 << 20);
        let shared = Arc::new(Shared { state: Mutex::default(), room: Semaphore::new(OUTPUT_MAX) });
        let (to, answered) = oneshot::channel();
        shared.state().callers.push_back(Caller::One(to));
        let mut driver = Driver::new(near, shared);
        let answering = tokio::spawn(async move {
            answer(&mut far, &[vec![b'x'; 20 << 20].into()]).await;
            far
        });
        tokio::select! {
            _ = poll_fn(|cx| driver.poll(cx)) => panic!("the connection has ended"),
            value = answered => assert!(matches!(value, Ok(Ok(Value::BulkString(value))) if value.len() == 20 << 20)),
        }
        assert!(driver.input.capacity() <= INPUT_STEP && driver.input_max <= INPUT_STEP);
        drop(answering.await.unwrap());
    }

    #[tokio::test]
    async fn an_idle_connection_that_is_closed_closes_its_socket() {
        let (wire, mut far) = open(64);
        let command = echo(1);
        let answering = async {
            let sent = commands(&mut far, 1).await;
            answer(&mut far, &sent).await;
        };
        let (answered, ()) = tokio::join!(wire.send(&command), answering);
        assert_eq!(answered, Ok(Value::BulkString("1".into())));
        wire.close();
        assert_eq!(far.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn an_answer_that_nobody_asked_for_is_given_to_nobody() {
        let (wire, mut far) = open(64);
        let (large, small) = (cmd("SET").arg(&[b'x'; 1024][..]), echo(1));
        let answering = async {
            while wire.0.state().unwritten > 0 || wire.0.state().callers.is_empty() {
                tokio::task::yield_now().await;
            }
            // The second waits behind the first, which the server answers twice.
            let second = wire.send(&small);
            let twice = async { far.write_all(b"-ERR one\r\n-ERR two\r\n").await.unwrap() };
            tokio::join!(second, twice).0
        };
        let (first, second) = tokio::join!(wire.send(&large), answering);
        assert_eq!(first, Ok(Value::ServerError(Refusal::new("ERR one"))));
        assert_eq!(second, Err(Unanswered::Unsent));
    }

    #[tokio::test]
    async fn what_is_not_resp_ends_the_connection() {
        let (wire, mut far) = open(64);
        let answering = async {
            commands(&mut far, 1).await;
            far.write_all(b"HTTP/1.1 400 Bad Request\r\n").await.unwrap();
        };
        let command = echo(1);
        let (outcome, ()) = tokio::join!(wire.send(&command), answering);
        assert_eq!(outcome, Err(Unanswered::Malformed));
    }
}
