//! Pops that wait: one call, or several if the server ends the wait early because it drains.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prism_proto::interfaces::list::BlockingPopRequest;
use prism_proto::limits::WAIT_MAX;
use tokio::time::Instant;

use crate::call::Call;
use crate::error::Error;
use crate::metadata::Own;
use crate::method::{self, operation_of};
use crate::shared::Shared;

/// How long to wait before asking again, after a server has ended a wait early: about as long as it takes to restart, and seldom
/// enough to cost nothing.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// A pop that waits for a value, made when awaited, or by [`send`](BlockingPop::send). `None` if the wait has ended without one.
///
/// Waiters of one backend are served in the order in which they came. A server that drains ends its waits early; the pop then
/// asks again, of the server that takes over, until its own wait is over.
///
/// # Errors
///
/// Any error of a [`Call`]; `InvalidArgument` / `WAIT_INVALID` for a wait of more than 300 s. Nothing is retried that may have
/// taken a value.
///
/// # Cancel safety
///
/// Dropping the future resets the HTTP/2 stream. A value that is already on its way returns to the end it came from, unless
/// the connection has taken it.
#[must_use = "a pop does nothing until it is awaited"]
pub struct BlockingPop {
    shared: Arc<Shared>,
    request: BlockingPopRequest,
    wait: Duration,
    metadata: Own,
    timeout: Duration,
}

impl BlockingPop {
    pub(crate) fn new(shared: &Arc<Shared>, request: BlockingPopRequest, wait: Duration) -> Self {
        let (timeout, metadata) = (shared.timeout, Own::default());
        Self { shared: shared.clone(), request, wait, metadata, timeout }
    }

    /// The timeout of each call, in addition to the wait. Default: the client's, 2 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Metadata sent with this pop, as with [`Call::metadata`].
    pub fn metadata(mut self, name: &str, value: &str) -> Self {
        self.metadata.insert(name, value);
        self
    }

    /// Makes the pop, as awaiting it does, but without boxing the future.
    ///
    /// # Errors
    ///
    /// As listed at [`BlockingPop`].
    pub async fn send(self) -> Result<Option<Bytes>, Error> {
        if self.wait > WAIT_MAX {
            return Err(Error::wait(operation_of::<method::BlockingPop>(), self.wait, WAIT_MAX));
        }
        let end = Instant::now() + self.wait;
        // Whether a server has drained: the next one may not be there yet.
        let mut is_between = false;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let ended = match self.ask(left).await {
                Ok(None) => Ok(None),
                Err(error) if is_between && error.repeats_safely(false) => Err(error),
                settled => return settled,
            };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return ended;
            }
            is_between = true;
            tokio::time::sleep(AGAIN_AFTER.min(left)).await;
        }
    }

    async fn ask(&self, wait: Duration) -> Result<Option<Bytes>, Error> {
        let wait_millis = i64::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(i64::MAX);
        let request = BlockingPopRequest { wait_millis, ..self.request.clone() };
        let call = Call::<method::BlockingPop>::new(&self.shared, request);
        call.timeout(wait.saturating_add(self.timeout)).with_own(self.metadata.clone()).send().await
    }
}

impl IntoFuture for BlockingPop {
    type Output = Result<Option<Bytes>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// Does not show the list's key.
impl fmt::Debug for BlockingPop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingPop").field("wait", &self.wait).finish_non_exhaustive()
    }
}
