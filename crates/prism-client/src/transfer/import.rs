//! An import: items to the server, kept until it has acknowledged them, and sent again on another stream when one is lost.
//!
//! ```text
//!   send ──▶ unacknowledged ──▶ stream ──acknowledgement──▶ forgotten
//!                  ▲               │
//!                  └──────lost─────┘   any other failure ──▶ the error
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prism_proto::interfaces::transfer::{IfExists, ImportRequest, ImportResponse, import_request::Options};
use prism_proto::limits::MESSAGE_BYTES_MAX;
use prism_proto::rpc::{Rpc as _, transfer};
use prost::Message as _;

use super::item::Exported;
use super::messages::Open;
use super::unacknowledged::Unacknowledged;
use crate::answer::unsigned;
use crate::deadline::Deadline;
use crate::error::Error;
use crate::metadata::Own;
use crate::retry::Retry;
use crate::shared::Shared;
use crate::trace::Trace;

type Rpc = transfer::Import;

/// What became of the items of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The number of items that have been dealt with: all up to this one.
    pub items: u64,
    /// How many of them were skipped, because their key or list exists or because they have expired. After an interruption, items that
    /// this import itself has created may be among them.
    pub skipped: u64,
}

/// An import, from [`Transfer::import`](crate::Transfer::import): [`send`](Import::send) gives it items, [`finish`](Import::finish) waits until
/// all are stored. Options are set before the first.
///
/// Items are stored in the order in which they are given. A list in parts is stored with its last part, and nobody sees it before; a
/// part 0 begins it again. Up to 8 MiB and 4,096 items are on their way at a time, beside a list that is incomplete, which is kept
/// whole: at most 128 MiB.
///
/// If the connection is lost midway, the import goes on with what was not acknowledged. Storing an item twice does no harm: it is
/// replaced by itself or, with [`if_absent`](Import::if_absent), skipped.
///
/// # Errors
///
/// Any error of a [`Call`](crate::Call); also `DeadlineExceeded` if nothing is acknowledged for the client's stall timeout, 60 s, or the
/// [`timeout`](Import::timeout) has passed. The import is over then; what is [acknowledged](Import::acknowledged) is stored, and what is not may be.
#[must_use = "an import stores nothing until it is given items"]
pub struct Import {
    shared: Arc<Shared>,
    first: ImportRequest,
    metadata: Own,
    trace: Option<Trace>,
    timeout: Option<Duration>,
    /// From the first item on.
    deadline: Option<Deadline>,
    open: Option<Open>,
    waiting: Unacknowledged,
    /// Of all streams.
    done: Imported,
    /// Of the current stream.
    done_here: ImportResponse,
    /// Attempts since the last acknowledgement.
    retry: Option<Retry>,
}

impl Import {
    pub(super) fn new(shared: &Arc<Shared>, namespace: String) -> Self {
        let options = Some(Options::default());
        Self {
            shared: shared.clone(),
            first: ImportRequest { namespace, options, ..ImportRequest::default() },
            metadata: Own::default(),
            trace: None,
            timeout: None,
            deadline: None,
            open: None,
            waiting: Unacknowledged::default(),
            done: Imported::default(),
            done_here: ImportResponse::default(),
            retry: None,
        }
    }

    /// Leaves existing keys and lists as they are, instead of replacing them.
    pub fn if_absent(mut self) -> Self {
        self.first.options.get_or_insert_default().if_exists = IfExists::IfAbsent.into();
        self
    }

    /// Lets times to live count from when the items were exported, and leaves out what has expired since. The clocks of both backends
    /// decide.
    pub fn deadline(mut self) -> Self {
        self.first.options.get_or_insert_default().deadline = true;
        self
    }

    /// The timeout of the whole import, from its first item. Default: none; at most a year.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Metadata sent with this import, as with [`Call::metadata`](crate::Call::metadata).
    pub fn metadata(mut self, name: &str, value: &str) -> Self {
        self.metadata.insert(name, value);
        self
    }

    /// What has been acknowledged so far.
    #[must_use]
    pub fn acknowledged(&self) -> Imported {
        self.done
    }

    /// Gives it an item: returns once the item is on its way, and there may be another.
    ///
    /// # Errors
    ///
    /// As listed at [`Import`]; `InvalidArgument` / `MESSAGE_TOO_LARGE` for an item of more than 4 MiB.
    ///
    /// # Cancel safety
    ///
    /// The item is kept, and sent by the next call.
    pub async fn send(&mut self, item: impl Into<Exported> + Send) -> Result<(), Error> {
        let Exported { item, taken_at_unix_millis } = item.into();
        let item = Some(item.into_wire());
        let message = ImportRequest { item, taken_at_unix_millis, ..ImportRequest::default() };
        let size = message.encoded_len();
        if size > MESSAGE_BYTES_MAX {
            return Err(Error::too_large(Rpc::OPERATION, size, MESSAGE_BYTES_MAX));
        }
        self.waiting.add(message);
        self.until(Goal::Room).await
    }

    /// Waits until all items are stored.
    ///
    /// # Errors
    ///
    /// As listed at [`Import`].
    pub async fn finish(mut self) -> Result<Imported, Error> {
        self.flush().await
    }

    /// Waits until all items so far are stored, as [`finish`](Self::finish) does, and leaves the import to ask what
    /// has been [acknowledged](Self::acknowledged) if that fails.
    ///
    /// # Errors
    ///
    /// As listed at [`Import`].
    pub async fn flush(&mut self) -> Result<Imported, Error> {
        self.until(Goal::End).await?;
        if let Some(trace) = self.trace.take() {
            trace.end(None);
        }
        Ok(self.done)
    }

    /// Works until the goal is reached, on another stream if one is lost.
    async fn until(&mut self, goal: Goal) -> Result<(), Error> {
        if self.deadline.is_none() {
            self.deadline = self.timeout.map(Deadline::after);
        }
        loop {
            let stall = self.shared.stall_timeout;
            let before = self.done.items;
            let wait = self.deadline.map_or(stall, |deadline| deadline.left().min(stall));
            let error = match tokio::time::timeout(wait, self.work(goal)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error,
                // A large import makes progress for longer than that; the deadline is compared with the clock.
                Err(_) if self.done.items > before || wait < stall => continue,
                Err(_) => Error::deadline(Rpc::OPERATION, format!("nothing was acknowledged for {stall:?}")),
            };
            let (attempts_max, deadline) = (self.shared.attempts_max, self.deadline);
            let retry = self.retry.get_or_insert_with(|| Retry::new(attempts_max, true, deadline));
            self.open = None;
            let Some(wait) = retry.wait_after(&error) else {
                if let Some(trace) = self.trace.take() {
                    trace.end(Some(&error));
                }
                return Err(error.of_read(true));
            };
            self.shared.retrying(&error);
            tokio::time::sleep(wait).await;
        }
    }

    /// Sends what is to be sent and takes what is acknowledged. Dropped midway, it goes on when it is called again.
    async fn work(&mut self, goal: Goal) -> Result<(), Error> {
        if self.deadline.is_some_and(|deadline| deadline.left().is_zero()) {
            return Err(Error::deadline(Rpc::OPERATION, "the import's deadline passed"));
        }
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                if let (None, Some(traces)) = (&self.trace, &self.shared.traces) {
                    self.trace = Some(traces.begin(Rpc::PATH, &self.first.namespace, &mut self.metadata));
                }
                self.waiting.rewind();
                self.done_here = ImportResponse::default();
                self.open.insert(Open::new(&self.shared, &self.first, &self.metadata, self.deadline).await?)
            }
        };
        loop {
            let answer = match self.waiting.next() {
                Some(message) => {
                    let answer = open.send_or_receive(message).await?;
                    if answer.is_none() {
                        self.waiting.mark_sent();
                    }
                    answer
                }
                None if goal == Goal::End => match open.finish().await? {
                    None if self.waiting.is_empty() => {
                        self.open = None;
                        return Ok(());
                    }
                    None => {
                        let why = "the server has ended the import without acknowledging all items";
                        return Err(Error::unexpected(Rpc::OPERATION, why));
                    }
                    answer => answer,
                },
                None if self.waiting.is_full() => Some(open.receive().await?),
                None => match open.received().await? {
                    None => return Ok(()),
                    answer => answer,
                },
            };
            let Some(answer) = answer else { continue };
            let items = unsigned(answer.items).saturating_sub(unsigned(self.done_here.items));
            if !self.waiting.acknowledge(items) {
                let why = "the server acknowledges items that it was not sent";
                return Err(Error::unexpected(Rpc::OPERATION, why));
            }
            self.done.items += items;
            self.done.skipped += unsigned(answer.skipped).saturating_sub(unsigned(self.done_here.skipped));
            (self.done_here, self.retry) = (answer, None);
        }
    }
}

/// What is worked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// Everything is on its way, and there may be more.
    Room,
    /// Everything is stored.
    End,
}

/// Shows no item.
impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import").field("acknowledged", &self.done).finish_non_exhaustive()
    }
}
