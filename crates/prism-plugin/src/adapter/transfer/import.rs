//! Items as they arrive, stored in a namespace. What has arrived is stored together and acknowledged together, so that a backend that
//! waits for a disk or a network does so once for many keys.

use std::collections::HashSet;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::stream::try_unfold;
use futures_util::{FutureExt as _, StreamExt as _};
use prism_grpc::Context;
use prism_grpc::interface::Streamed;
use prism_proto::interfaces::transfer::{
    self as proto, ImportRequest, ImportResponse, Item, KeyItem, ListPart, import_request::Options, item,
};
use prism_proto::limits::MESSAGE_BYTES_MAX;
use tokio::task::yield_now;
use tokio::time::sleep;
use tonic::{Code, Status, Streaming};

use super::Serving;
use super::export::now;
use super::parts::{Parts, Whole};
use crate::error::{Applied, Error, ErrorReason};
use crate::transfer::{IfExists, Transfer};
use crate::types::{Key, Namespace, Ttl};
use crate::validate::{self, malformed};

/// How many keys are stored together, and the size at which no more are.
const RUN_ITEMS: usize = 256;
const RUN_BYTES: usize = 1024 * 1024;

/// How long the memory of an incomplete list is kept for a client that sends nothing.
const IDLE_MAX: Duration = Duration::from_secs(60);

pub(super) async fn import<B: Transfer>(
    serving: Arc<Serving<B>>,
    context: Context,
    requests: Streaming<ImportRequest>,
) -> Result<Streamed<impl Stream<Item = Result<ImportResponse, Error>>>, Error> {
    let parts = Parts::new(&serving.share);
    let done = ImportResponse::default();
    let import =
        Import { serving, context, requests, target: None, parts, keys: Keys::default(), done, end: None };
    Ok(Streamed::new(try_unfold(import, |mut import| async move {
        Ok(import.next().await?.map(|acknowledgement| (acknowledgement, import)))
    })))
}

/// An import between two acknowledgements.
struct Import<B> {
    serving: Arc<Serving<B>>,
    context: Context,
    requests: Streaming<ImportRequest>,
    /// `None` before the first message.
    target: Option<Target>,
    parts: Parts,
    keys: Keys,
    done: ImportResponse,
    /// How it ends once everything before has been acknowledged.
    end: Option<Result<(), Error>>,
}

/// What the first message says.
#[derive(Clone)]
struct Target {
    namespace: Namespace,
    if_exists: IfExists,
    deadline: bool,
}

/// Keys that are to be stored together.
#[derive(Default)]
struct Keys {
    items: Vec<(Key, Bytes, Option<Ttl>)>,
    names: HashSet<Key>,
    bytes: usize,
}

impl Keys {
    fn is_full(&self) -> bool {
        self.items.len() >= RUN_ITEMS || self.bytes >= RUN_BYTES
    }

    fn add(&mut self, key: Key, value: Bytes, ttl: Option<Ttl>) {
        self.bytes += key.len() + value.len();
        self.names.insert(key.clone());
        self.items.push((key, value, ttl));
    }
}

impl<B: Transfer> Import<B> {
    /// The next acknowledgement, of one item at least; `None` at the end.
    async fn next(&mut self) -> Result<Option<ImportResponse>, Error> {
        let before = self.done.items;
        while self.done.items == before {
            if let Some(end) = self.end.take() {
                return end.map(|()| None);
            }
            let taken = self.take().await;
            // A backend in memory never waits, and others want their turn.
            yield_now().await;
            // What came before a mistake is stored all the same.
            let stored = self.store_keys().await;
            self.end = match (stored, taken) {
                (Err(error), _) | (Ok(()), Err(error)) => Some(Err(error)),
                (Ok(()), Ok(true)) => None,
                (Ok(()), Ok(false)) => Some(self.ended()),
            };
        }
        Ok(Some(self.done))
    }

    /// Takes the next message, and those that have arrived behind it. Returns whether there may be more.
    async fn take(&mut self) -> Result<bool, Error> {
        let mut next = tokio::select! {
            biased;
            message = self.requests.next() => message,
            () = self.context.draining() => return Err(draining()),
            () = idle(self.parts.incomplete().is_some()) => return Err(abandoned()),
        };
        let mut lists = false;
        loop {
            self.context.check_deadline()?;
            let Some(message) = next else { return Ok(false) };
            lists |= self.message(message.map_err(|status| unreadable(&status))?).await?;
            if lists || self.keys.is_full() {
                return Ok(true);
            }
            next = match self.requests.next().now_or_never() {
                Some(next) => next,
                None => return Ok(true),
            };
        }
    }

    /// Takes a message. Returns whether it has completed a list.
    async fn message(&mut self, message: ImportRequest) -> Result<bool, Error> {
        let ImportRequest { namespace, options, item, taken_at_unix_millis } = message;
        let is_first = self.target.is_none();
        if is_first {
            self.target = Some(target(namespace, options)?);
        } else if !namespace.is_empty() || options.is_some() {
            let field = if options.is_some() { "options" } else { "namespace" };
            return Err(malformed(field, format!("{field} is for the first message only; leave it out")));
        }
        match item {
            Some(Item { kind: Some(item::Kind::Key(key)) }) => {
                self.key(key, taken_at_unix_millis).await?;
                Ok(false)
            }
            Some(Item { kind: Some(item::Kind::ListPart(part)) }) => self.part(part).await,
            Some(Item { kind: None }) => {
                Err(malformed("item", "item is neither a key nor a part of a list".to_owned()))
            }
            None if is_first => Ok(false),
            None => Err(malformed("item", "only the first message may come without an item".to_owned())),
        }
    }

    async fn key(&mut self, item: KeyItem, taken_at: i64) -> Result<(), Error> {
        self.done.items += self.parts.forget();
        let KeyItem { key, value, ttl_millis_left } = item;
        let (key, value) = (Key::new("item.key.key", key)?, validate::value(value)?);
        let ttl = ttl_millis_left.map(Ttl::from_millis_left).transpose()?;
        let by_deadline = self.target.as_ref().is_some_and(|target| target.deadline);
        let ttl = match ttl {
            Some(ttl) if by_deadline => match left_since(ttl, taken_at)? {
                Some(left) => Some(left),
                None => {
                    self.store_keys().await?;
                    self.done.items += 1;
                    self.done.skipped += 1;
                    return Ok(());
                }
            },
            ttl => ttl,
        };
        if self.keys.names.contains(&key) {
            self.store_keys().await?;
        }
        self.keys.add(key, value, ttl);
        Ok(())
    }

    /// Stores the keys that have arrived.
    async fn store_keys(&mut self) -> Result<(), Error> {
        let (items, Some(target)) = (std::mem::take(&mut self.keys).items, &self.target) else {
            return Ok(());
        };
        if items.is_empty() {
            return Ok(());
        }
        let (count, backend) = (items.len(), &self.serving.backend);
        let stored = backend.put_keys(&self.context, target.namespace.clone(), items, target.if_exists).await;
        if stored.len() != count {
            let why = "the backend has returned another number of results than there were keys";
            return Err(Error::new(ErrorReason::Internal, why));
        }
        for stored in stored {
            self.done.skipped += i64::from(!stored?);
            self.done.items += 1;
        }
        Ok(())
    }

    /// Takes a part of a list, and stores the list if it is the last one.
    async fn part(&mut self, part: ListPart) -> Result<bool, Error> {
        self.store_keys().await?;
        if part.part == 0 {
            self.done.items += self.parts.forget();
        }
        let Some(whole) = self.parts.add(part)? else { return Ok(false) };
        let Some(target) = self.target.clone() else { return Ok(false) };
        let Target { namespace, if_exists, .. } = target;
        let Whole { list_key, values, parts, room } = whole;
        let backend = &self.serving.backend;
        let stored = backend.put_list(&self.context, namespace, list_key, values, if_exists).await?;
        drop(room);
        self.done.items += parts;
        self.done.skipped += if stored { 0 } else { parts };
        Ok(true)
    }

    /// The end of the client's messages.
    fn ended(&self) -> Result<(), Error> {
        match self.parts.incomplete() {
            None => Ok(()),
            Some(list) => Err(malformed(
                "item.list_part.last",
                format!(
                    "the last list ends behind part {} and lacks its last part: it was not imported",
                    list.parts - 1
                ),
            )),
        }
    }
}

fn target(namespace: String, options: Option<Options>) -> Result<Target, Error> {
    let Options { if_exists, deadline } = options.unwrap_or_default();
    let if_exists = match proto::IfExists::try_from(if_exists) {
        Ok(proto::IfExists::Overwrite) => IfExists::Overwrite,
        Ok(proto::IfExists::IfAbsent) => IfExists::Keep,
        Err(_) => {
            let why = format!("options.if_exists is {if_exists}; it must be 0 (OVERWRITE) or 1 (IF_ABSENT)");
            return Err(malformed("options.if_exists", why));
        }
    };
    Ok(Target { namespace: Namespace::new(namespace)?, if_exists, deadline })
}

/// What is left of a time to live, of which the time since `taken_at` is over; `None` if nothing is.
fn left_since(ttl: Ttl, taken_at: i64) -> Result<Option<Ttl>, Error> {
    if taken_at <= 0 {
        let why = format!(
            "taken_at_unix_millis is {taken_at}; options.deadline needs to know when an item that expires was read"
        );
        return Err(malformed("taken_at_unix_millis", why));
    }
    // Clocks differ: what was read in the future was read now.
    let over = now().saturating_sub(taken_at).max(0);
    let ttl = i64::try_from(ttl.as_duration().as_millis()).unwrap_or(i64::MAX);
    match ttl - over {
        left if left > 0 => Ttl::from_millis_left(left).map(Some),
        _ => Ok(None),
    }
}

/// Completes when the client has left a list incomplete for too long.
async fn idle(is_incomplete: bool) {
    if is_incomplete {
        sleep(IDLE_MAX).await;
    } else {
        pending::<()>().await;
    }
}

fn abandoned() -> Error {
    let why = format!(
        "no message has arrived for {} s while a list lacks its last part: it is forgotten, and to be sent again from its part 0",
        IDLE_MAX.as_secs()
    );
    Error::unavailable(ErrorReason::BackendLost, Applied::Maybe, why)
}

fn draining() -> Error {
    let why = "the server is stopping: what is not acknowledged is to be sent again";
    Error::unavailable(ErrorReason::Draining, Applied::Maybe, why)
}

/// The error for a message that could not be read.
fn unreadable(status: &Status) -> Error {
    match (Error::from_status(status), status.code()) {
        (Some(error), _) => error,
        // As tonic says it.
        (None, Code::OutOfRange) => {
            let why = format!("the message is larger than {MESSAGE_BYTES_MAX} bytes, the limit of a message");
            Error::new(ErrorReason::MessageTooLarge, why).with("limit", MESSAGE_BYTES_MAX.to_string())
        }
        (None, _) => {
            let why = format!("the message cannot be read: {}", status.message());
            Error::new(ErrorReason::MalformedRequest, why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_live_counts_from_when_it_was_read() {
        let ttl = Ttl::from_millis(60_000).unwrap();
        let left = |taken_at| left_since(ttl, taken_at).unwrap().map(|left| left.as_duration().as_millis());
        assert_eq!(left(now() + 60_000), Some(60_000), "a clock that is ahead does not add to it");
        assert!(left(now() - 30_000).is_some_and(|left| (20_000..=30_000).contains(&left)));
        assert_eq!((left(now() - 60_000), left(1)), (None, None));
        assert_eq!(left_since(ttl, 0).unwrap_err().fact("field"), Some("taken_at_unix_millis"));
    }
}
