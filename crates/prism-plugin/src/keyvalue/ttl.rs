//! Times to live as a backend implements them.

use std::time::Duration;

use prism_grpc::Context;

use crate::error::Error;
use crate::types::{Key, Namespace, Ttl};

/// A backend that reads and changes times to live without touching the value. Each call is atomic.
pub trait KeyValueTtl: Send + Sync + 'static {
    /// Returns the time that a key has left to live, `Some(None)` if it does not expire; `None` if it does not exist.
    ///
    /// # Errors
    /// An error of the backend; a missing key is not one.
    fn ttl_left(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
    ) -> impl Future<Output = Result<Option<Option<Duration>>, Error>> + Send;

    /// Gives a key a new time to live, from now, and returns whether the key exists.
    ///
    /// # Errors
    /// MEMORY_LIMIT if there is no room for a time to live: nothing has changed. Otherwise an error of the backend.
    fn expire(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
        ttl: Ttl,
    ) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Removes a key's time to live, and returns whether it had one; `None` if the key does not exist.
    ///
    /// # Errors
    /// An error of the backend.
    fn persist(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
    ) -> impl Future<Output = Result<Option<bool>, Error>> + Send;
}
