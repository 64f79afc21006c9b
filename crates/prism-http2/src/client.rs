//! The client's side of a connection.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::driver::{Driver, Step};
use crate::error::Error;
use crate::handle::{RecvStream, SendStream, halves};
use crate::state::{Role, Shared, State};

pub use crate::settings::Config;

/// A connection to a server: a future that reads and writes. It ends with the connection, or once every [`SendRequest`] has been dropped
/// and the last stream has ended.
#[derive(Debug)]
#[must_use = "a connection does nothing unless it is polled"]
pub struct Connection<S> {
    driver: Driver<S>,
}

/// Begins with the client's preface and its SETTINGS.
pub fn connect<S: AsyncRead + AsyncWrite + Unpin>(io: S, config: Config) -> (SendRequest, Connection<S>) {
    let driver = Driver::new(io, State::new(Role::Client, config));
    let send = SendRequest::new(&driver.shared);
    (send, Connection { driver })
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Connection<S> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.driver.begin_turn();
        loop {
            match self.driver.poll_step(cx) {
                Poll::Ready(Step::Read) => {}
                Poll::Ready(Step::Ended(ended)) => return Poll::Ready(ended),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Makes requests. Cheap to clone.
#[derive(Debug)]
pub struct SendRequest {
    shared: Arc<Shared>,
}

impl SendRequest {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.lock().openers_held += 1;
        Self { shared: Arc::clone(shared) }
    }

    /// Waits until the server accepts another stream.
    ///
    /// # Errors
    /// The connection accepts none any more.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.shared.lock().poll_open(cx)
    }

    /// The same.
    ///
    /// # Errors
    /// The connection accepts no stream any more.
    pub async fn ready(mut self) -> Result<Self, Error> {
        poll_fn(|cx| self.poll_ready(cx)).await?;
        Ok(self)
    }

    /// Makes a request. Beyond what the server accepts it is queued. `end`: it has no body.
    ///
    /// # Errors
    /// The connection accepts no stream any more.
    pub fn send_request(
        &mut self,
        mut request: Request<()>,
        end: bool,
    ) -> Result<(ResponseFuture, SendStream), Error> {
        // What is in there may be anything, and is not to be dropped under the lock.
        request.extensions_mut().clear();
        let key = self.shared.lock().request(request, end)?;
        let (receive, send) = halves(&self.shared, key);
        Ok((ResponseFuture(Some(receive)), send))
    }

    /// How many streams the server accepts at once.
    #[must_use]
    pub fn current_max_send_streams(&self) -> usize {
        self.shared.lock().peer_streams_max
    }
}

impl Clone for SendRequest {
    fn clone(&self) -> Self {
        Self::new(&self.shared)
    }
}

impl Drop for SendRequest {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.openers_held -= 1;
        if state.openers_held == 0 && state.streams.is_empty() {
            state.notify();
        }
    }
}

/// The response to a request.
#[derive(Debug)]
pub struct ResponseFuture(Option<RecvStream>);

impl Future for ResponseFuture {
    type Output = Result<Response<RecvStream>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(receive) = &mut self.0 else {
            return Poll::Ready(Err(Error::misuse("the response has been taken already")));
        };
        let head = std::task::ready!(receive.poll_head(cx))?;
        let body = self.0.take().expect("it is there");
        Poll::Ready(Ok(head.map(|()| body)))
    }
}
