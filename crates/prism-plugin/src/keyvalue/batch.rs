//! Batches as a backend implements them, or has them implemented.

use bytes::Bytes;
use prism_grpc::Context;
use tokio::task::yield_now;

use super::basic::{KeyValue, ValueAndTtl};
use crate::error::Error;
use crate::types::{Key, Namespace, Ttl};

/// How much a part of a batch holds before the rest waits: far below the 8 MiB that a call may hold, with the last value on top.
const PART_BYTES: usize = 1024 * 1024;

/// How many items are processed before other calls get their turn.
const PART_ITEMS: usize = 256;

/// A backend that serves many keys per call, each item for itself. What it does not implement is done item by item; a backend
/// that has something better, such as one round trip for many keys, overrides it.
pub trait KeyValueBatch: KeyValue {
    /// Returns the values of the first of these keys, in order: of at least one, and of no more than take some 4 MiB together.
    /// The caller asks again for the rest. Times to live are needed only `with_ttl`.
    fn get_first(
        &self,
        context: &Context,
        namespace: &Namespace,
        keys: &[Key],
        with_ttl: bool,
    ) -> impl Future<Output = Vec<Result<Option<ValueAndTtl>, Error>>> + Send {
        async move {
            let (mut values, mut bytes) = (Vec::new(), 0);
            for key in keys.iter().cloned() {
                let value = match with_ttl {
                    true => self.get_with_ttl(context, namespace.clone(), key).await,
                    false => {
                        self.get(context, namespace.clone(), key).await.map(|value| Some((value?, None)))
                    }
                };
                bytes += value.as_ref().map_or(0, |found| found.as_ref().map_or(0, |(value, _)| value.len()));
                values.push(value);
                if bytes >= PART_BYTES || values.len() == PART_ITEMS {
                    break;
                }
            }
            values
        }
    }

    /// Stores values, in order, and returns a result for each.
    fn set_each(
        &self,
        context: &Context,
        namespace: Namespace,
        items: Vec<(Key, Bytes, Option<Ttl>)>,
    ) -> impl Future<Output = Vec<Result<(), Error>>> + Send {
        async move {
            let mut results = Vec::with_capacity(items.len());
            for (key, value, ttl) in items {
                results.push(self.set(context, namespace.clone(), key, value, ttl).await);
                if results.len() % PART_ITEMS == 0 {
                    yield_now().await;
                }
            }
            results
        }
    }

    /// Removes keys, in order, and returns for each whether it existed.
    fn delete_each(
        &self,
        context: &Context,
        namespace: Namespace,
        keys: Vec<Key>,
    ) -> impl Future<Output = Vec<Result<bool, Error>>> + Send {
        async move {
            let mut results = Vec::with_capacity(keys.len());
            for key in keys {
                results.push(self.delete(context, namespace.clone(), key).await);
                if results.len() % PART_ITEMS == 0 {
                    yield_now().await;
                }
            }
            results
        }
    }
}
