//! The server's side of a connection.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use http::Request;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};

use crate::driver::{Driver, Step};
use crate::error::{By, Error};
use crate::handle::{RecvStream, SendStream, halves};
use crate::reason::Reason;
use crate::state::{Phase, Role, State};
use crate::stream::Key;

pub use crate::frame::PREFACE;
pub use crate::settings::Config;

/// Room for more requests is returned once there is none.
const KEPT_REQUESTS: usize = 16;

/// A connection of a client. It does something only while it is [polled](Self::poll_accept).
#[derive(Debug)]
pub struct Connection<S> {
    driver: Driver<S>,
}

/// A request, and where its response goes.
pub type Accepted = (Request<RecvStream>, SendStream);

/// Reads the bytes with which every client begins.
///
/// # Errors
/// They are others, or the connection was lost.
pub async fn read_preface(io: &mut (impl AsyncRead + Unpin)) -> Result<(), Error> {
    let mut preface = [0; PREFACE.len()];
    io.read_exact(&mut preface).await?;
    if preface == *PREFACE {
        Ok(())
    } else {
        Err(Error::go_away(Reason::PROTOCOL_ERROR, By::Us, "it does not begin as HTTP/2 does"))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Begins with the server's SETTINGS, once the client's [`PREFACE`] has been read.
    pub fn new(io: S, config: Config) -> Self {
        Self { driver: Driver::new(io, State::new(Role::Server, config)) }
    }

    fn next_request(&mut self) -> Option<(Key, Request<()>)> {
        let requests = &mut self.driver.shared.lock().requests;
        let next = requests.pop_front();
        if next.is_none() && requests.capacity() > KEPT_REQUESTS {
            *requests = VecDeque::new();
        }
        next
    }

    /// The next request. Reads and writes as well: it is to be polled until the end, `None`.
    pub fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Accepted, Error>>> {
        loop {
            if let Some((key, request)) = self.next_request() {
                let (body, respond) = halves(&self.driver.shared, key);
                return Poll::Ready(Some(Ok((request.map(|()| body), respond))));
            }
            match self.driver.poll_step(cx) {
                Poll::Ready(Step::Read) => {}
                Poll::Ready(Step::Ended(Ok(()))) => return Poll::Ready(None),
                Poll::Ready(Step::Ended(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The next request; `None` at the end.
    pub async fn accept(&mut self) -> Option<Result<Accepted, Error>> {
        std::future::poll_fn(|cx| {
            self.begin_turn();
            self.poll_accept(cx)
        })
        .await
    }

    /// Begins a turn, of 32 KiB. At its end [`poll_accept`](Self::poll_accept) is pending, and the task is woken for the next.
    pub fn begin_turn(&mut self) {
        self.driver.begin_turn();
    }

    /// Announces that the connection ends. Requests that the client sends before it has seen that are still accepted; the connection
    /// ends with its last stream.
    pub fn graceful_shutdown(&mut self) {
        self.driver.shared.lock().announce_leaving();
    }

    /// Ends the connection and all of its streams.
    pub fn abrupt_shutdown(&mut self, reason: Reason) {
        self.driver.shared.lock().abort(&Error::go_away(reason, By::Us, ""));
    }

    /// Whether any stream is open.
    #[must_use]
    pub fn has_streams(&self) -> bool {
        self.driver.shared.lock().open > 0
    }

    /// Once nothing but the last frames are being sent, which the client may never read: how many bytes have been written.
    #[must_use]
    pub fn closing(&self) -> Option<u64> {
        let state = self.driver.shared.lock();
        (state.phase == Phase::Closing).then_some(state.written)
    }

    /// How many calls the client has reset since this was last asked although they had been answered; the answers were waiting to be sent.
    pub fn take_resets(&mut self) -> u32 {
        std::mem::take(&mut self.driver.shared.lock().resets_before_sent)
    }

    /// Spares the wake-ups until the next poll: whoever calls this polls again in any case.
    pub fn cork(&mut self) {
        self.driver.shared.lock().is_notified = true;
    }
}
