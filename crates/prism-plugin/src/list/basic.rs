//! Pushes and pops as a backend implements them.

use bytes::Bytes;
use prism_grpc::Context;

use crate::error::Error;
use crate::types::{Key, Namespace};

/// One of the two ends of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The head.
    Left,
    /// The tail.
    Right,
}

/// A backend that stores ordered lists.
///
/// A list exists while it holds a value: a push creates it, popping its last value removes it, and nothing else creates
/// one. Each call is atomic.
pub trait List: Send + Sync + 'static {
    /// Adds a value at one end and returns the new length.
    ///
    /// # Errors
    /// MEMORY_LIMIT if the backend is full: the list is unchanged. Otherwise an error of the backend.
    fn push(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
        value: Bytes,
    ) -> impl Future<Output = Result<u64, Error>> + Send;

    /// Removes and returns the value at one end; `None` for a missing list.
    ///
    /// # Errors
    /// An error of the backend.
    fn pop(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
    ) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send;

    /// Returns the number of values; 0 for a missing list.
    ///
    /// # Errors
    /// An error of the backend.
    fn length(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
    ) -> impl Future<Output = Result<u64, Error>> + Send;
}
