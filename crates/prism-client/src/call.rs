//! One call: created by a verb such as [`KeyValue::get`](crate::KeyValue::get), made when awaited.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use prism_proto::interfaces::keyvalue::{DeleteIfRequest, IncrementRequest, SetIfRequest, SetRequest};
use prism_proto::interfaces::list::PushManyRequest;
use prism_proto::limits::MESSAGE_BYTES_MAX;
use prism_proto::rpc::Rpc as _;
use prost::Message as _;

use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind};
use crate::keyed::Keyed;
use crate::metadata::Own;
use crate::method::{
    DeleteIf, Expiring, Increment, Method, PushMany, RequestOf, Set, SetIf, has_no_side_effects,
    operation_of, path_of,
};
use crate::retry::Retry;
use crate::shared::Shared;
use crate::token::Token;

/// A call that is made when awaited, or by [`send`](Call::send).
///
/// # Errors
///
/// Any call may fail with `InvalidArgument`, `NamespaceNotFound`, `FailedPrecondition`, `Unavailable`,
/// `DeadlineExceeded`, `ResourceExhausted`, `Unauthenticated`, `PermissionDenied`, `Unimplemented`, `Closed` or
/// `Internal`; see [`ErrorKind`].
///
/// # Cancel safety
///
/// Dropping the future resets the HTTP/2 stream. A write may still have been applied.
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<M: Method> {
    shared: Arc<Shared>,
    message: RequestOf<M>,
    metadata: Own,
    timeout: Duration,
}

impl<M: Method> Call<M> {
    pub(crate) fn new(shared: &Arc<Shared>, message: RequestOf<M>) -> Self {
        Self { shared: shared.clone(), message, metadata: Own::default(), timeout: shared.timeout }
    }

    /// The timeout of the whole call, retries included. Default: the client's, 2 s. At most a year.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Metadata sent with this call, replacing the client's entry of the same name. `name` is lower-case ASCII and does
    /// not end in `-bin`, `value` visible ASCII; otherwise the call fails with `InvalidArgument`.
    pub fn metadata(mut self, name: &str, value: &str) -> Self {
        self.metadata.insert(name, value);
        self
    }

    /// Sends this metadata instead of what it has so far.
    pub(crate) fn with_own(mut self, metadata: Own) -> Self {
        self.metadata = metadata;
        self
    }

    /// Makes the call, as awaiting it does, but without boxing the future.
    ///
    /// # Errors
    ///
    /// As listed at [`Call`].
    pub async fn send(mut self) -> Result<M::Output, Error> {
        let Some(traces) = &self.shared.traces else { return self.within_its_time().await };
        let trace = traces.begin(path_of::<M>(), <M::Rpc>::namespace(&self.message), &mut self.metadata);
        let result = self.within_its_time().await;
        trace.end(result.as_ref().err());
        result
    }

    async fn within_its_time(&self) -> Result<M::Output, Error> {
        let size = self.message.encoded_len();
        if size > MESSAGE_BYTES_MAX {
            return Err(Error::too_large(operation_of::<M>(), size, MESSAGE_BYTES_MAX));
        }
        self.shared.check_credential(operation_of::<M>(), &self.metadata)?;
        let deadline = Deadline::after(self.timeout);
        match self.shared.timers.run(deadline, pin!(self.attempts(deadline))).await {
            Some(result) => result.map_err(|error| error.of_read(has_no_side_effects(path_of::<M>()))),
            None => {
                Err(Error::deadline(operation_of::<M>(), format!("no response within {:?}", self.timeout)))
            }
        }
    }

    async fn attempts(&self, deadline: Deadline) -> Result<M::Output, Error> {
        let (mut retry, mut token, mut is_renewed) = (None, None, false);
        let mut keyed = Keyed::of::<M>(&self.message, &self.metadata);
        loop {
            keyed.prepare(&self.shared, &self.metadata, deadline).await;
            let error = match self.attempt(deadline, &mut token, &keyed).await {
                Ok(output) => return Ok(output),
                Err(error) => error,
            };
            if error.kind() == ErrorKind::NotFound
                && let Some(output) = M::without_key()
            {
                return Ok(output);
            }
            if let Some(refused) = token.as_ref().filter(|_| !is_renewed) {
                match self.shared.token_after(&error, refused).await {
                    Ok(Some(other)) => {
                        (token, is_renewed) = (Some(other), true);
                        continue;
                    }
                    Ok(None) => {}
                    Err(error) => return Err(keyed.last(error)),
                }
            }
            let error = match keyed.after(&self.shared, error).await {
                Ok(()) => continue,
                Err(error) => error,
            };
            let repeats = has_no_side_effects(path_of::<M>()) || keyed.repeats();
            let retry =
                retry.get_or_insert_with(|| Retry::new(self.shared.attempts_max, repeats, Some(deadline)));
            let wait = retry.repeating(repeats).wait_after(&error).filter(|_| !keyed.is_over());
            let Some(wait) = wait else { return Err(keyed.last(error)) };
            self.shared.retrying(&error);
            tokio::time::sleep(wait).await;
        }
    }

    /// Sends the call, with `token` or, if there is none yet, with the client's.
    async fn attempt(
        &self,
        deadline: Deadline,
        token: &mut Option<Token>,
        keyed: &Keyed<'_>,
    ) -> Result<M::Output, Error> {
        // A collected stream may be long, and must not fill the window of the unary calls.
        let pool = if M::COLLECTS { &self.shared.scans } else { &self.shared.unary };
        let lease = pool.lease().await.map_err(|none| none.of(operation_of::<M>()))?;
        if token.is_none() {
            *token = self.shared.token(operation_of::<M>(), &self.metadata).await?;
        }
        let message = self.message.clone();
        let mut request = self.shared.request(message, &self.metadata, token.as_ref())?;
        request.set_timeout(deadline.left());
        keyed.add_to(&mut request);
        // The future of tonic's client is most of the call's size: boxed, it is not copied with each move of the call.
        match Box::pin(M::exchange(lease, self.shared.origin.clone(), request)).await {
            Ok(answer) => Ok(M::output(answer)),
            Err(status) => Err(Error::from_status(operation_of::<M>(), &status)),
        }
    }
}

impl<M: Expiring> Call<M> {
    /// The key's time to live, in milliseconds, with fractions rounded up: 1 ms to 100 years. Default: forever. An increment
    /// sets it only if it creates the key.
    pub fn ttl(self, ttl: Duration) -> Self {
        let millis = ttl.as_micros().div_ceil(1000);
        self.ttl_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }

    /// The same in milliseconds, sent to the server as is: below 1 is `InvalidArgument` / `TTL_INVALID`.
    pub fn ttl_millis(mut self, millis: i64) -> Self {
        M::set_ttl(&mut self.message, millis);
        self
    }
}

impl Call<Set> {
    /// The key's time to live in seconds, sent to the server as is: below 1 is `InvalidArgument` / `TTL_INVALID`.
    pub fn ttl_seconds(mut self, seconds: i64) -> Self {
        let message: &mut SetRequest = &mut self.message;
        (message.ttl_seconds, message.ttl_millis) = (Some(seconds), None);
        self
    }
}

impl Call<SetIf> {
    /// Also returns the value that stood before the call, in [`Changed::current`](crate::Changed::current).
    pub fn return_current(mut self) -> Self {
        let message: &mut SetIfRequest = &mut self.message;
        message.return_current = true;
        self
    }
}

impl Call<DeleteIf> {
    /// Also returns the value that stood before the call, in [`Changed::current`](crate::Changed::current).
    pub fn return_current(mut self) -> Self {
        let message: &mut DeleteIfRequest = &mut self.message;
        message.return_current = true;
        self
    }
}

impl Call<Increment> {
    /// What a missing key counts as. Default: 0.
    pub fn initial(mut self, initial: i64) -> Self {
        let message: &mut IncrementRequest = &mut self.message;
        message.initial = initial;
        self
    }
}

impl Call<PushMany> {
    /// How many values the list may have afterwards, at least 1: as many as are over it are removed at the other end, in the
    /// same step. Default: any number.
    pub fn max_len(mut self, max_len: i64) -> Self {
        let message: &mut PushManyRequest = &mut self.message;
        message.max_len = Some(max_len);
        self
    }
}

impl<M: Method> IntoFuture for Call<M> {
    type Output = Result<M::Output, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// Shows neither key nor value.
impl<M: Method> fmt::Debug for Call<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("operation", &operation_of::<M>())
            .field("timeout", &self.timeout)
            .finish()
    }
}
