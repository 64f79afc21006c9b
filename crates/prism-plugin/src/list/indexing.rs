//! Single values within lists as a backend implements them.

use bytes::Bytes;
use prism_grpc::Context;

use crate::error::Error;
use crate::types::{Key, Namespace};

/// A backend that reads, replaces and removes single values within lists. An index counts from 0 at the left end, or from -1 at
/// the right end. Each call is atomic.
pub trait ListIndexing: Send + Sync + 'static {
    /// Returns the value at an index; `None` if the list has no such index.
    ///
    /// # Errors
    /// An error of the backend.
    fn get_at(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        index: i64,
    ) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send;

    /// Replaces the value at an index, and returns whether the list has such an index.
    ///
    /// # Errors
    /// MEMORY_LIMIT if the backend is full: the list is unchanged. Otherwise an error of the backend.
    fn set_at(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        index: i64,
        value: Bytes,
    ) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Removes values that are equal to the given one, and returns how many: at most `count` from the left, if it is negative
    /// from the right, or all if it is 0.
    ///
    /// # Errors
    /// An error of the backend.
    fn remove(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        value: Bytes,
        count: i64,
    ) -> impl Future<Output = Result<u64, Error>> + Send;
}
