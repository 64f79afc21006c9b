//! Batches: many items, sent in parts, each item with a result of its own.

use std::fmt;
use std::future::IntoFuture;
use std::iter::repeat_n;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prism_proto::interfaces::keyvalue::{
    BatchDeleteRequest, BatchDeleteResult, BatchGetRequest, BatchGetResponse, BatchSetItem, BatchSetRequest,
    ItemStatus,
};
use prism_proto::limits::{BATCH_ITEMS_MAX, VALUE_BYTES_MAX};
use prism_proto::{ErrorReason, limits};

use crate::call::Call;
use crate::error::{Error, ErrorKind};
use crate::metadata::Own;
use crate::method::{BatchDelete, BatchGet, BatchSet, Method, RequestOf, operation_of};
use crate::shared::Shared;

/// How many bytes of items a part has at most, unless it is a single item: a message without the namespace and the framing.
const PART_BYTES_MAX: usize = VALUE_BYTES_MAX;

/// What an item takes in a message besides its key and value: tags, lengths, and a time to live.
const ITEM_OVERHEAD_BYTES: usize = 32;

/// A value to be stored by [`KeyValue::set_many`](crate::KeyValue::set_many); also made from a key and a value.
#[derive(Clone, PartialEq, Eq)]
pub struct BatchItem {
    /// 1 to 4,096 bytes.
    pub key: String,
    /// 0 to 4 MiB − 16 KiB.
    pub value: Bytes,
    /// The time to live in milliseconds, 1 to 3,153,600,000,000 (100 years); `None`: the key does not expire.
    pub ttl_millis: Option<i64>,
}

impl<K: Into<String>, V: Into<Bytes>> From<(K, V)> for BatchItem {
    fn from((key, value): (K, V)) -> Self {
        Self { key: key.into(), value: value.into(), ttl_millis: None }
    }
}

impl From<BatchItem> for BatchSetItem {
    fn from(item: BatchItem) -> Self {
        Self { key: item.key, value: item.value, ttl_millis: item.ttl_millis }
    }
}

/// Shows neither the key nor the value.
impl fmt::Debug for BatchItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchItem").finish_non_exhaustive()
    }
}

/// A method of a [`Batch`]. Only types of [`method`](crate::method) implement it.
pub trait BatchMethod: sealed::BatchMethod {
    /// The result of one item.
    type Result: Send;
}

mod sealed {
    use super::*;

    pub trait BatchMethod: Method {
        type Item: Send;

        fn request(namespace: String, items: Vec<Self::Item>) -> RequestOf<Self>;
        fn size(item: &Self::Item) -> usize;
        fn results(output: Self::Output) -> Vec<Result<<Self as super::BatchMethod>::Result, Error>>
        where
            Self: super::BatchMethod;
    }
}

impl BatchMethod for BatchGet {
    type Result = Option<Bytes>;
}

impl sealed::BatchMethod for BatchGet {
    type Item = String;

    fn request(namespace: String, keys: Vec<String>) -> BatchGetRequest {
        BatchGetRequest { namespace, keys, with_ttl: false }
    }

    fn size(key: &String) -> usize {
        key.len()
    }

    fn results(answers: Vec<BatchGetResponse>) -> Vec<Result<Option<Bytes>, Error>> {
        let result = |answer: BatchGetResponse| match checked::<Self>(answer.status) {
            Ok(()) => Ok(Some(answer.value)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        answers.into_iter().map(result).collect()
    }
}

impl BatchMethod for BatchSet {
    type Result = ();
}

impl sealed::BatchMethod for BatchSet {
    type Item = BatchSetItem;

    fn request(namespace: String, items: Vec<BatchSetItem>) -> BatchSetRequest {
        BatchSetRequest { namespace, items }
    }

    fn size(item: &BatchSetItem) -> usize {
        item.key.len() + item.value.len()
    }

    fn results(answers: Vec<ItemStatus>) -> Vec<Result<(), Error>> {
        answers.into_iter().map(|answer| checked::<Self>(Some(answer))).collect()
    }
}

impl BatchMethod for BatchDelete {
    type Result = bool;
}

impl sealed::BatchMethod for BatchDelete {
    type Item = String;

    fn request(namespace: String, keys: Vec<String>) -> BatchDeleteRequest {
        BatchDeleteRequest { namespace, keys }
    }

    fn size(key: &String) -> usize {
        key.len()
    }

    fn results(answers: Vec<BatchDeleteResult>) -> Vec<Result<bool, Error>> {
        let result = |answer: BatchDeleteResult| checked::<Self>(answer.status).map(|()| answer.found);
        answers.into_iter().map(result).collect()
    }
}

fn checked<M: Method>(status: Option<ItemStatus>) -> Result<(), Error> {
    match status {
        Some(status) if status.code != 0 => Err(Error::of_item(operation_of::<M>(), status)),
        _ => Ok(()),
    }
}

/// Many items, sent when awaited, or by [`send`](Batch::send): in parts of at most 1,000 items and 4 MiB, one after another, in
/// the order given.
///
/// The result has one element for each item, in their order. **Each item succeeds or fails for itself**: a batch is never
/// all-or-nothing. If the call of a part fails as a whole, its error is that of each of its items, which then may have been
/// applied, and later parts are not sent. [`Error::is_not_applied`] distinguishes what certainly was not applied.
///
/// # Cancel safety
///
/// Dropping the future resets the HTTP/2 stream. Any of the items may still have been applied.
#[must_use = "a batch does nothing until it is awaited"]
pub struct Batch<M: BatchMethod> {
    shared: Arc<Shared>,
    namespace: Arc<str>,
    items: Vec<M::Item>,
    metadata: Own,
    timeout: Duration,
}

impl<M: BatchMethod> Batch<M> {
    pub(crate) fn new(shared: &Arc<Shared>, namespace: &Arc<str>, items: Vec<M::Item>) -> Self {
        let (shared, namespace) = (shared.clone(), namespace.clone());
        Self { timeout: shared.timeout, shared, namespace, items, metadata: Own::default() }
    }

    /// The timeout of each part, retries included. Default: the client's, 2 s. At most a year.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Metadata sent with each part, as with [`Call::metadata`].
    pub fn metadata(mut self, name: &str, value: &str) -> Self {
        self.metadata.insert(name, value);
        self
    }

    /// Sends the parts, as awaiting the batch does, but without boxing the future.
    pub async fn send(self) -> Vec<Result<M::Result, Error>> {
        let mut results = Vec::with_capacity(self.items.len());
        let mut broken: Option<Error> = None;
        for part in parts(self.items, M::size) {
            let count = part.len();
            if let Some(error) = &broken {
                results.extend(repeat_n(error.not_sent(), count).map(Err));
                continue;
            }
            let request = M::request(self.namespace.as_ref().to_owned(), part);
            let call = Call::<M>::new(&self.shared, request).timeout(self.timeout);
            let sent = match call.with_own(self.metadata.clone()).send().await.map(M::results) {
                Ok(answers) if answers.len() != count => Err(Error::uneven_batch(operation_of::<M>())),
                sent => sent,
            };
            match sent {
                Ok(answers) => results.extend(answers),
                Err(error) => {
                    results.extend(repeat_n(error.clone(), count).map(Err));
                    // A single item that is too large concerns no other.
                    broken = Some(error).filter(|error| error.reason() != Some(ErrorReason::MessageTooLarge));
                }
            }
        }
        results
    }
}

impl<M: BatchMethod> IntoFuture for Batch<M> {
    type Output = Vec<Result<M::Result, Error>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// Shows neither keys nor values.
impl<M: BatchMethod> fmt::Debug for Batch<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("operation", &operation_of::<M>())
            .field("items", &self.items.len())
            .finish_non_exhaustive()
    }
}

/// The items in parts that a server accepts.
fn parts<T>(items: Vec<T>, size: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut parts = Vec::new();
    let (mut part, mut bytes) = (Vec::new(), 0);
    for item in items {
        let size = size(&item) + ITEM_OVERHEAD_BYTES;
        if part.len() == BATCH_ITEMS_MAX || (bytes + size > PART_BYTES_MAX && !part.is_empty()) {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes += size;
        part.push(item);
    }
    parts.extend(Some(part).filter(|part| !part.is_empty()));
    parts
}

const _: () = assert!(
    PART_BYTES_MAX + limits::NAMESPACE_BYTES_MAX + ITEM_OVERHEAD_BYTES <= limits::MESSAGE_BYTES_MAX,
    "a full part fits into a message"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_at_most_a_thousand_items_and_a_message_of_bytes() {
        let lengths =
            |items: Vec<usize>| -> Vec<usize> { parts(items, |size| *size).iter().map(Vec::len).collect() };
        assert!(lengths(Vec::new()).is_empty());
        assert_eq!(lengths(vec![8; 1000]), [1000]);
        assert_eq!(lengths(vec![8; 2001]), [1000, 1000, 1]);
        assert_eq!(lengths(vec![1 << 20; 5]), [3, 2]);
        assert_eq!(lengths(vec![1, VALUE_BYTES_MAX + 1, 1]), [1, 1, 1]);
    }
}
