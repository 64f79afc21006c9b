//! Ordered lists: the verbs of `prism.interfaces.list`.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use prism_proto::interfaces::list::{
    LengthRequest, PopLeftRequest, PopRightRequest, PushLeftRequest, PushRightRequest,
};

use crate::call::Call;
use crate::lease::ReserveCall;
use crate::method::{Length, PopLeft, PopRight, PushLeft, PushRight};
use crate::shared::Shared;

/// Ordered lists of values in one namespace, pushed and popped at either end.
///
/// A list key is 1 to 4,096 bytes of UTF-8, a value 0 to 4 MiB − 16 KiB. Lists and the keys of
/// [`KeyValue`](crate::KeyValue) are separate. Pushes and pops are atomic, and applied once: if they may have been
/// applied, they are retried only where the backend keeps answers. [`Call`] lists the errors that any call may have.
///
/// ```
/// # mod fake { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fake/mod.rs")); }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), prism_client::Error> {
/// # let server = fake::Fake::start().await;
/// # let address = server.address();
/// let jobs = prism_client::Client::new(&address)?.list();
/// assert_eq!(jobs.push_right("jobs", "first").await?, 1);
/// assert_eq!(jobs.push_right("jobs", "second").await?, 2);
/// assert_eq!(jobs.pop_left("jobs").await?.unwrap(), "first");
/// assert_eq!(jobs.length("jobs").await?, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct List {
    shared: Arc<Shared>,
    namespace: Arc<str>,
}

impl List {
    pub(crate) fn new(shared: Arc<Shared>, namespace: Arc<str>) -> Self {
        Self { shared, namespace }
    }

    /// Adds `value` at the left end (the head) and returns the new length. Creates the list if necessary.
    ///
    /// # Errors
    ///
    /// `ResourceExhausted` / `MEMORY_LIMIT` if the backend is full: the list is unchanged.
    pub fn push_left(&self, list_key: impl Into<String>, value: impl Into<Bytes>) -> Call<PushLeft> {
        let (namespace, list_key, value) = (self.namespace(), list_key.into(), value.into());
        Call::new(&self.shared, PushLeftRequest { namespace, list_key, value })
    }

    /// Adds `value` at the right end (the tail) and returns the new length. Creates the list if necessary.
    ///
    /// # Errors
    ///
    /// As [`push_left`](Self::push_left).
    pub fn push_right(&self, list_key: impl Into<String>, value: impl Into<Bytes>) -> Call<PushRight> {
        let (namespace, list_key, value) = (self.namespace(), list_key.into(), value.into());
        Call::new(&self.shared, PushRightRequest { namespace, list_key, value })
    }

    /// Removes and returns the value at the left end; `None` if the list does not exist.
    pub fn pop_left(&self, list_key: impl Into<String>) -> Call<PopLeft> {
        Call::new(&self.shared, PopLeftRequest { namespace: self.namespace(), list_key: list_key.into() })
    }

    /// Removes and returns the value at the right end; `None` if the list does not exist.
    pub fn pop_right(&self, list_key: impl Into<String>) -> Call<PopRight> {
        Call::new(&self.shared, PopRightRequest { namespace: self.namespace(), list_key: list_key.into() })
    }

    /// Reserves values at the left end: they are no part of the list until the [`Lease`](crate::Lease) is acknowledged, which removes them, or
    /// ends, which returns them.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), prism_client::Error> {
    /// # use std::time::Duration;
    /// let jobs = prism_client::Client::new("localhost:8980")?.list();
    /// while let Some(lease) = jobs.reserve("jobs").count(10).wait(Duration::from_secs(60)).await? {
    ///     for job in lease.values() {
    ///         println!("{} bytes, delivery {}", job.value.len(), job.deliveries);
    ///     }
    ///     lease.ack().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn reserve(&self, list_key: impl Into<String>) -> ReserveCall {
        ReserveCall::new(&self.shared, self.namespace(), list_key.into())
    }

    /// The number of values in the list; 0 if it does not exist.
    pub fn length(&self, list_key: impl Into<String>) -> Call<Length> {
        Call::new(&self.shared, LengthRequest { namespace: self.namespace(), list_key: list_key.into() })
    }

    fn namespace(&self) -> String {
        self.namespace.as_ref().to_owned()
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
