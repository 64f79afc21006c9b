//! A scan: a stream of entries that resumes when its connection is lost, behind the last key or at the last token.
//!
//! ```text
//!   New ──polled──▶ Opening ──ok──▶ Open ──end──▶ Done
//!                      ▲              │
//!                      ├─lost: behind the last key, while keys are in order and the backend accepts it
//!                      └─lost: resume = last token, otherwise      any other failure, or another epoch ──▶ Done
//! ```

mod item;
mod position;
mod stall;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use prism_proto::ErrorReason;
use prism_proto::interfaces::keyvalue::ScanRequest;
use prism_proto::rpc::Rpc as _;
use tonic::{Response, Streaming};

use crate::deadline::Deadline;
use crate::error::Error;
use crate::metadata::Own;
use crate::retry::Retry;
use crate::shared::Shared;
use crate::stream::open;
use crate::trace::Trace;

pub(crate) use item::{Bounds, sealed};
pub use item::{Entry, KeyItem, ListEntry, ScanItem};
use item::{RequestOf, ResponseOf};
use position::{Moved, Position};
use stall::Stall;

/// A stream of [`Entry`]s ([`KeyValue::scan`](crate::KeyValue::scan)), of keys
/// ([`scan_keys`](crate::KeyValue::scan_keys)) or of lists ([`List::lists`](crate::List::lists)). Starts when first polled;
/// options are set before.
///
/// If the connection is lost midway and the backend is ordered, a scan of keys resumes behind the last key that it delivered,
/// with the rest of the limit. If the backend is not ordered but resumable, if the scan began with a token, or if it is one of
/// lists, it resumes at the last [token](Scan::resume_token), and a key may repeat. Otherwise the error is returned. If the
/// backend has lost its data meanwhile, the scan ends with `Aborted` / `SCAN_INTERRUPTED`. A scan ends after an error; only one
/// that ends without an error is complete.
///
/// # Errors
///
/// An item may be any error of a [`Call`](crate::Call); also
///
/// - `DeadlineExceeded` if no entry arrives within the stall timeout,
/// - `Unimplemented` / `CURSOR_UNSUPPORTED` for [`start_after`](Scan::start_after), and `ORDER_UNSUPPORTED` for
///   [`before`](Scan::before) and [`reverse`](Scan::reverse), if the backend is not ordered,
/// - `InvalidArgument` / `RESUME_INVALID` for [`resume`](Scan::resume) if the token is not one of this scan,
/// - `Aborted` / `SCAN_INTERRUPTED` for [`resume`](Scan::resume) if the backend may have lost its data since the token was
///   issued.
///
/// # Examples
///
/// ```no_run
/// # async fn example(client: prism_client::Client, saved: Option<bytes::Bytes>) -> Result<(), prism_client::Error> {
/// let mut scan = client.keyvalue().scan("user:");
/// if let Some(token) = saved {
///     scan = scan.resume(token);
/// }
/// while let Some(entry) = scan.next().await {
///     println!("{}", entry?.key);
///     if let Some(token) = scan.resume_token() {
///         // Keep it: a later scan continues here.
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
///
/// [`next`](Scan::next) is cancel safe: no entry is lost. Dropping the scan resets its HTTP/2 stream.
#[must_use = "a scan does nothing until it is polled"]
pub struct Scan<E: ScanItem> {
    shared: Arc<Shared>,
    request: RequestOf<E>,
    metadata: Own,
    trace: Option<Trace>,
    timeout: Option<Duration>,
    deadline: Option<Deadline>,
    stall: Stall,
    state: State<E>,
    /// Attempts since the last entry.
    retry: Option<Retry>,
    /// The loss from which the current attempt recovers.
    recovering: Option<Error>,
    /// How often the scan has been opened again.
    reopened: u64,
    position: Position,
}

enum State<E: ScanItem> {
    New,
    Opening(Opening<E>),
    Open(Box<Streaming<ResponseOf<E>>>),
    Done,
}

type Opening<E> = Pin<Box<dyn Future<Output = Result<Opened<E>, Error>> + Send>>;
type Opened<E> = Response<Streaming<ResponseOf<E>>>;

impl<E: ScanItem> Scan<E> {
    pub(crate) fn new(shared: &Arc<Shared>, mut request: RequestOf<E>) -> Self {
        let position = Position::new(E::bounds(&mut request).is_some(), E::BEGINS_AGAIN);
        Self {
            shared: shared.clone(),
            request,
            metadata: Own::default(),
            trace: None,
            timeout: None,
            deadline: None,
            stall: Stall::new(shared.stall_timeout),
            state: State::New,
            retry: None,
            recovering: None,
            reopened: 0,
            position,
        }
    }

    /// The maximum number of entries. 0, the default, means all; negative is `InvalidArgument` / `LIMIT_INVALID`.
    pub fn limit(mut self, limit: i32) -> Self {
        if let Some(place) = E::limit(&mut self.request) {
            *place = limit;
        }
        self
    }

    /// Continues where another scan was when its [`resume_token`](Self::resume_token) was this one, at most 8 KiB: a scan
    /// of the same kind, namespace, prefix and direction. Not together with [`start_after`](Self::start_after) or
    /// [`before`](Self::before): a token keeps the end of its scan.
    pub fn resume(mut self, token: impl Into<Bytes>) -> Self {
        let token = token.into();
        self.position.set_token(token.clone());
        *E::resume(&mut self.request) = token;
        self
    }

    /// The last token among the entries that this scan has returned, or the one that it began with: a later scan that
    /// [resumes](Self::resume) at it returns everything that has not been returned up to then. `None` if the backend is
    /// not resumable, or before the first token.
    ///
    /// Not every entry carries a token: some hundred entries share one, so those returned since the last token are
    /// returned again. If the backend is not ordered, any other key may repeat, too. A token is valid for as long as the
    /// backend has its data, and may be stored.
    #[must_use]
    pub fn resume_token(&self) -> Option<&Bytes> {
        self.position.token()
    }

    /// The timeout of the whole scan, from its first poll. Default: none; at most a year.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Metadata sent with this scan, replacing the client's entry of the same name, as with [`Call::metadata`].
    ///
    /// [`Call::metadata`]: crate::Call::metadata
    pub fn metadata(mut self, name: &str, value: &str) -> Self {
        self.metadata.insert(name, value);
        self
    }

    /// Returns the next entry; `None` at the end and after an error.
    pub async fn next(&mut self) -> Option<Result<E, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Ends the scan because of what it returned.
    pub(crate) fn fail(&mut self, error: Error) -> Error {
        self.state = State::Done;
        if let Some(trace) = self.trace.take() {
            trace.end(Some(&error));
        }
        error
    }

    /// How often the scan has been opened again after a loss.
    pub(crate) fn reopened(&self) -> u64 {
        self.reopened
    }

    /// Takes the next step of the stream, in whatever state it is.
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step<E>> {
        loop {
            match &mut self.state {
                State::New => {
                    self.deadline = self.timeout.map(Deadline::after);
                    if let Some(traces) = &self.shared.traces {
                        let namespace = <E::Rpc>::namespace(&self.request);
                        self.trace = Some(traces.begin(<E::Rpc>::PATH, namespace, &mut self.metadata));
                    }
                    self.state = State::Opening(self.open(Duration::ZERO));
                }
                State::Opening(opening) => match ready!(opening.as_mut().poll(cx)) {
                    Ok(response) => {
                        if !self.position.has_epoch_of(response.metadata()) {
                            return Poll::Ready(Step::Failed(Error::scan_interrupted(<E::Rpc>::OPERATION)));
                        }
                        self.state = State::Open(Box::new(response.into_inner()));
                    }
                    Err(error) => return Poll::Ready(Step::Failed(error)),
                },
                State::Open(stream) => {
                    return Poll::Ready(match ready!(Pin::new(stream).poll_next(cx)) {
                        Some(Ok(response)) => {
                            let (item, token) = E::of(response);
                            Step::Item(item, token)
                        }
                        Some(Err(status)) => Step::Failed(Error::from_status(<E::Rpc>::OPERATION, &status)),
                        None => Step::End,
                    });
                }
                State::Done => return Poll::Ready(Step::End),
            }
        }
    }

    /// The future that opens the stream after `wait`, resuming where it was, if it has begun.
    fn open(&self, wait: Duration) -> Opening<E> {
        let (shared, deadline, metadata) = (self.shared.clone(), self.deadline, self.metadata.clone());
        let message = self.position.request::<E>(&self.request);
        Box::pin(async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            open::<E::Rpc>(&shared, message, &metadata, deadline).await
        })
    }

    fn open_again(&mut self, wait: Duration) {
        self.reopened += 1;
        self.state = State::Opening(self.open(wait));
    }

    /// Moves behind an entry; the loss if the server ignored that the scan was to resume after the last key.
    fn accept(&mut self, item: E, token: Bytes) -> Result<E, Error> {
        let loss = self.recovering.take();
        match (self.position.step(item.key(), token, loss.is_some()), loss) {
            (Moved::Backward, Some(loss)) => return Err(loss),
            (Moved::Forward, _) => self.retry = None,
            // What may be a repetition is no progress.
            (Moved::Backward | Moved::Unordered, _) => {}
        }
        Ok(item)
    }

    /// Starts again where the scan was, if the error is transient and there is a way; otherwise the final error.
    fn recover(&mut self, error: Error) -> Result<(), Option<Error>> {
        match error.reason() {
            Some(ErrorReason::CursorUnsupported | ErrorReason::OrderUnsupported)
                if self.recovering.is_some() =>
            {
                if !self.position.leave_order() {
                    return Err(self.recovering.take());
                }
                self.open_again(Duration::ZERO);
                return Ok(());
            }
            // The scan's own token: only another backend refuses it.
            Some(ErrorReason::ResumeInvalid) if self.recovering.is_some() => {
                return Err(Some(Error::scan_interrupted(<E::Rpc>::OPERATION)));
            }
            _ => {}
        }
        let limit = E::limit(&mut self.request).map_or(0, |limit| i64::from(*limit));
        let (attempts_max, deadline) = (self.shared.attempts_max, self.deadline);
        let retry = self.retry.get_or_insert_with(|| Retry::new(attempts_max, true, deadline));
        match retry.wait_after(&error) {
            Some(_) if limit > 0 && self.position.delivered() >= limit => Err(None),
            Some(wait) if self.position.can_continue() => {
                self.shared.retrying(&error);
                self.open_again(wait);
                if self.position.delivered() > 0 && self.recovering.is_none() {
                    self.recovering = Some(error);
                }
                Ok(())
            }
            _ => Err(Some(error)),
        }
    }

    fn end(&mut self, error: Option<Error>) -> Poll<Option<Result<E, Error>>> {
        self.state = State::Done;
        if let Some(trace) = self.trace.take() {
            trace.end(error.as_ref());
        }
        Poll::Ready(error.map(|error| Err(error.of_read(true))))
    }
}

impl<E: KeyItem> Scan<E> {
    /// Only keys greater than `key`, byte by byte; 1 to 4,096 bytes. Needs an ordered backend.
    pub fn start_after(mut self, key: impl Into<String>) -> Self {
        if let Some(bounds) = E::bounds(&mut self.request) {
            *bounds.start_after = Some(key.into());
        }
        self
    }

    /// Only keys less than `key`, byte by byte; 1 to 4,096 bytes. Needs an ordered backend.
    pub fn before(mut self, key: impl Into<String>) -> Self {
        if let Some(bounds) = E::bounds(&mut self.request) {
            *bounds.before = Some(key.into());
        }
        self
    }

    /// Whether to return the keys from the greatest to the least. Needs an ordered backend.
    pub fn reverse(mut self, reverse: bool) -> Self {
        if let Some(bounds) = E::bounds(&mut self.request) {
            *bounds.reverse = reverse;
        }
        self.position.set_reverse(reverse);
        self
    }
}

impl Scan<Entry> {
    /// Whether entries carry the time that their keys have left to live: [`Entry::ttl_left`].
    pub fn with_ttl(mut self, with_ttl: bool) -> Self {
        let request: &mut ScanRequest = &mut self.request;
        request.with_ttl = with_ttl;
        self
    }
}

enum Step<E> {
    /// With its token, or none.
    Item(E, Bytes),
    Failed(Error),
    End,
}

impl<E: ScanItem> Stream for Scan<E> {
    type Item = Result<E, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if matches!(this.state, State::Done) {
            return Poll::Ready(None);
        }
        loop {
            if this.deadline.is_some_and(|deadline| deadline.left().is_zero()) {
                return this.end(Some(Error::deadline(<E::Rpc>::OPERATION, "the scan's deadline passed")));
            }
            match this.poll_step(cx) {
                Poll::Ready(Step::Item(item, token)) => {
                    this.stall.progress();
                    return match this.accept(item, token) {
                        Ok(item) => Poll::Ready(Some(Ok(item))),
                        Err(error) => this.end(Some(error)),
                    };
                }
                Poll::Ready(Step::End) => return this.end(None),
                Poll::Ready(Step::Failed(error)) => {
                    if let Err(error) = this.recover(error) {
                        return this.end(error);
                    }
                }
                Poll::Pending => {
                    let message = ready!(this.stall.poll(cx, this.deadline));
                    return this.end(Some(Error::deadline(<E::Rpc>::OPERATION, message)));
                }
            }
        }
    }
}

/// Shows neither prefix nor position.
impl<E: ScanItem> fmt::Debug for Scan<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan")
            .field("operation", &<E::Rpc>::OPERATION)
            .field("delivered", &self.position.delivered())
            .finish()
    }
}
