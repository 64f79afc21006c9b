//! Removing all keys with a prefix: a stream of progress, of which the caller gets the end.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use prism_proto::interfaces::keyvalue::{DeletePrefixRequest, DeletePrefixResponse};
use prism_proto::rpc::{Rpc as _, keyvalue};
use tokio::time::timeout;
use tonic::Streaming;

use crate::answer::unsigned;
use crate::deadline::Deadline;
use crate::error::Error;
use crate::metadata::Own;
use crate::retry::Retry;
use crate::shared::Shared;
use crate::stream::open;

type Rpc = keyvalue::DeletePrefix;

/// The removal of all keys with a prefix, which begins when awaited, or by [`send`](DeletePrefix::send). Returns the number of
/// keys that it has removed.
///
/// It is not atomic: keys that are created meanwhile may be removed or not, and if it ends early, what it has removed stays
/// removed. Repeating it does no harm.
///
/// # Errors
///
/// Any error of a [`Call`](crate::Call); `DeadlineExceeded` if nothing is removed for the client's stall timeout, 60 s. The
/// [fact](Error::fact) `deleted` is the number of keys that had been removed when it failed, as far as the backend has said.
///
/// # Cancel safety
///
/// Dropping the future resets the HTTP/2 stream, and the backend stops.
#[must_use = "nothing is removed until it is awaited"]
pub struct DeletePrefix {
    shared: Arc<Shared>,
    request: DeletePrefixRequest,
    metadata: Own,
    timeout: Option<Duration>,
    progress: Option<Progress>,
}

type Progress = Box<dyn FnMut(u64) + Send + Sync>;

impl DeletePrefix {
    pub(crate) fn new(shared: &Arc<Shared>, request: DeletePrefixRequest) -> Self {
        Self { shared: shared.clone(), request, metadata: Own::default(), timeout: None, progress: None }
    }

    /// The maximum number of keys to remove. 0, the default, means all; negative is `InvalidArgument` / `LIMIT_INVALID`.
    pub fn limit(mut self, limit: i32) -> Self {
        self.request.limit = limit;
        self
    }

    /// The timeout of the whole removal. Default: none; at most a year.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Metadata sent with this call, as with [`Call::metadata`](crate::Call::metadata).
    pub fn metadata(mut self, name: &str, value: &str) -> Self {
        self.metadata.insert(name, value);
        self
    }

    /// Calls `progress` with the number of keys removed so far, whenever the backend reports it: after each some hundred keys. It must
    /// not block.
    pub fn on_progress(mut self, progress: impl FnMut(u64) + Send + Sync + 'static) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }

    /// Removes the keys, as awaiting it does, but without boxing the future.
    ///
    /// # Errors
    ///
    /// As listed at [`DeletePrefix`].
    pub async fn send(mut self) -> Result<u64, Error> {
        let Some(traces) = &self.shared.traces else { return self.run().await };
        let trace = traces.begin(Rpc::PATH, &self.request.namespace, &mut self.metadata);
        let result = self.run().await;
        trace.end(result.as_ref().err());
        result
    }

    async fn run(&mut self) -> Result<u64, Error> {
        let deadline = self.timeout.map(Deadline::after);
        let mut stream = self.begin(deadline).await?;
        let mut deleted = 0;
        loop {
            match self.in_time(deadline, stream.message()).await {
                Ok(Ok(Some(response))) => {
                    deleted = unsigned(response.deleted);
                    self.progress.iter_mut().for_each(|progress| progress(deleted));
                }
                Ok(Ok(None)) => return Ok(deleted),
                Ok(Err(status)) => return Err(Error::from_status(Rpc::OPERATION, &status).after(deleted)),
                Err(error) => return Err(error.after(deleted)),
            }
        }
    }

    /// Opens the stream; again if the server certainly has not seen the call.
    async fn begin(&self, deadline: Option<Deadline>) -> Result<Streaming<DeletePrefixResponse>, Error> {
        let mut retry = Retry::new(self.shared.attempts_max, false, deadline);
        loop {
            let opening = open::<Rpc>(&self.shared, self.request.clone(), &self.metadata, deadline);
            let error = match self.in_time(deadline, opening).await.and_then(|opened| opened) {
                Ok(response) => return Ok(response.into_inner()),
                Err(error) => error,
            };
            let Some(wait) = retry.wait_after(&error) else { return Err(error) };
            self.shared.retrying(&error);
            tokio::time::sleep(wait).await;
        }
    }

    /// The result of `step`, unless the deadline or the stall timeout passes first.
    async fn in_time<T>(
        &self,
        deadline: Option<Deadline>,
        step: impl Future<Output = T>,
    ) -> Result<T, Error> {
        let stall = self.shared.stall_timeout;
        let left = deadline.map_or(stall, |deadline| deadline.left().min(stall));
        timeout(left, step).await.map_err(|_| {
            let message = match deadline {
                Some(_) if left < stall => "the call's deadline passed".to_owned(),
                _ => format!("nothing was removed for {stall:?}"),
            };
            Error::deadline(Rpc::OPERATION, message)
        })
    }
}

impl IntoFuture for DeletePrefix {
    type Output = Result<u64, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// Does not show the prefix.
impl fmt::Debug for DeletePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeletePrefix").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
