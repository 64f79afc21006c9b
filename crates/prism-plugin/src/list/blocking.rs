//! Pops that wait as a backend implements them.

use std::time::Duration;

use bytes::Bytes;
use prism_grpc::Context;

use super::basic::End;
use crate::error::Error;
use crate::types::{Key, Namespace};

/// A backend with pops that wait.
pub trait ListBlocking: Send + Sync + 'static {
    /// Removes and returns the value at one end, and waits for one for at most `wait`; `None` if none came. Waiters of one instance
    /// are served in the order in which they came.
    ///
    /// The future may be dropped while it waits. A value that it was given already then returns to the end it came from.
    ///
    /// # Errors
    /// An error of the backend.
    fn blocking_pop(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
        wait: Duration,
    ) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send;
}
