//! Ordered lists: the verbs of `prism.interfaces.list`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prism_proto::interfaces::list::{
    self as wire, BlockingPopRequest, ClearRequest, CountListsRequest, GetAtRequest, GetRangeRequest,
    LengthRequest, PopLeftRequest, PopManyRequest, PopRightRequest, PushLeftRequest, PushManyRequest,
    PushRightRequest, RemoveRequest, ScanListsRequest, SetAtRequest, TrimRequest,
};

use crate::call::Call;
use crate::lease::{Lease, ReserveCall};
use crate::method::{
    Clear, CountLists, GetAt, GetRange, Length, PopLeft, PopMany, PopRight, PushLeft, PushMany, PushRight,
    Remove, SetAt, Trim,
};
use crate::scan::{ListEntry, Scan};
use crate::shared::Shared;
use crate::waiting::BlockingPop;

/// One of the two ends of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The head.
    Left,
    /// The tail.
    Right,
}

impl End {
    fn on_the_wire(self) -> i32 {
        match self {
            Self::Left => wire::End::Left.into(),
            Self::Right => wire::End::Right.into(),
        }
    }
}

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

    /// Reserves values at the left end: they are no part of the list until the [`Lease`] is acknowledged, which removes them, or
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

    /// The lease of this list that a [token](Lease::token) names, without its values. Nothing is sent: whether there is such a lease, its
    /// calls find out.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), prism_client::Error> {
    /// let jobs = prism_client::Client::new("localhost:8980")?.list();
    /// if let Some(reserved) = jobs.reserve("jobs").await? {
    ///     let token = reserved.token().clone();
    ///     jobs.lease("jobs", token).ack().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn lease(&self, list_key: impl Into<String>, token: impl Into<Bytes>) -> Lease {
        Lease::named(&self.shared, self.namespace(), list_key.into(), token.into())
    }

    /// The number of values in the list; 0 if it does not exist.
    pub fn length(&self, list_key: impl Into<String>) -> Call<Length> {
        Call::new(&self.shared, LengthRequest { namespace: self.namespace(), list_key: list_key.into() })
    }

    /// Adds up to 1,000 values at one end, one after another, in one atomic step. Creates the list if necessary.
    /// [`max_len`](Call::max_len) bounds the list.
    ///
    /// # Errors
    ///
    /// - `InvalidArgument` / `BATCH_TOO_LARGE` or `MESSAGE_TOO_LARGE` for more values or bytes than one call may have,
    /// - `ResourceExhausted` / `MEMORY_LIMIT` if the backend is full. In each case, the list is unchanged.
    pub fn push_many<V: Into<Bytes>>(
        &self,
        list_key: impl Into<String>,
        end: End,
        values: impl IntoIterator<Item = V>,
    ) -> Call<PushMany> {
        let (namespace, list_key, end) = (self.namespace(), list_key.into(), end.on_the_wire());
        let values = values.into_iter().map(Into::into).collect();
        Call::new(&self.shared, PushManyRequest { namespace, list_key, end, values, max_len: None })
    }

    /// Removes and returns up to `count` values at one end, 1 to 1,000, in the order in which single pops would return them: as
    /// many as there are, and no more than fit into a message, 4 MiB.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` / `LIMIT_INVALID` or `BATCH_TOO_LARGE` if `count` is out of range.
    pub fn pop_many(&self, list_key: impl Into<String>, end: End, count: i64) -> Call<PopMany> {
        let (namespace, list_key, end) = (self.namespace(), list_key.into(), end.on_the_wire());
        Call::new(&self.shared, PopManyRequest { namespace, list_key, end, count })
    }

    /// Removes and returns the value at one end, and waits up to `wait` for one, at most 300 s; `None` if none came.
    pub fn blocking_pop(&self, list_key: impl Into<String>, end: End, wait: Duration) -> BlockingPop {
        let (namespace, list_key, end) = (self.namespace(), list_key.into(), end.on_the_wire());
        BlockingPop::new(&self.shared, BlockingPopRequest { namespace, list_key, end, wait_millis: 0 }, wait)
    }

    /// Returns the values from index `start` to index `stop`, both included, from left to right. Indices count from 0 at the left
    /// end, or from -1 at the right end: 0 to -1 is the whole list. What is outside of the list is left out.
    ///
    /// The backend reads a long range in pages: if the list changes meanwhile, values may be missed or repeated.
    pub fn range(&self, list_key: impl Into<String>, start: i64, stop: i64) -> Call<GetRange> {
        let (namespace, list_key) = (self.namespace(), list_key.into());
        Call::new(&self.shared, GetRangeRequest { namespace, list_key, start, stop })
    }

    /// Removes all values outside of the range, atomically, and returns the new length. Indices as in [`range`](Self::range).
    pub fn trim(&self, list_key: impl Into<String>, start: i64, stop: i64) -> Call<Trim> {
        let (namespace, list_key) = (self.namespace(), list_key.into());
        Call::new(&self.shared, TrimRequest { namespace, list_key, start, stop })
    }

    /// Removes a list, atomically, and returns how many values it had.
    pub fn clear(&self, list_key: impl Into<String>) -> Call<Clear> {
        Call::new(&self.shared, ClearRequest { namespace: self.namespace(), list_key: list_key.into() })
    }

    /// Returns the value at an index; `None` if the list has no such index.
    pub fn get_at(&self, list_key: impl Into<String>, index: i64) -> Call<GetAt> {
        let (namespace, list_key) = (self.namespace(), list_key.into());
        Call::new(&self.shared, GetAtRequest { namespace, list_key, index })
    }

    /// Replaces the value at an index.
    ///
    /// # Errors
    ///
    /// `OutOfRange` / `INDEX_OUT_OF_RANGE` if the list has no such index.
    pub fn set_at(&self, list_key: impl Into<String>, index: i64, value: impl Into<Bytes>) -> Call<SetAt> {
        let (namespace, list_key, value) = (self.namespace(), list_key.into(), value.into());
        Call::new(&self.shared, SetAtRequest { namespace, list_key, index, value })
    }

    /// Removes values that are equal to `value`, atomically, and returns how many: if `count` is positive, at most so many, the
    /// leftmost first; if it is negative, at most so many, the rightmost first; if it is 0, all. The cost grows with the list.
    pub fn remove(&self, list_key: impl Into<String>, value: impl Into<Bytes>, count: i64) -> Call<Remove> {
        let (namespace, list_key, value) = (self.namespace(), list_key.into(), value.into());
        Call::new(&self.shared, RemoveRequest { namespace, list_key, value, count })
    }

    /// Streams the lists whose keys begin with `prefix`, each with its length; all lists if it is empty.
    pub fn lists(&self, prefix: impl Into<String>) -> Scan<ListEntry> {
        let (namespace, prefix) = (self.namespace(), prefix.into());
        Scan::new(&self.shared, ScanListsRequest { namespace, prefix, ..ScanListsRequest::default() })
    }

    /// The number of lists whose keys begin with `prefix`; of all lists if it is empty.
    pub fn count_lists(&self, prefix: impl Into<String>) -> Call<CountLists> {
        Call::new(&self.shared, CountListsRequest { namespace: self.namespace(), prefix: prefix.into() })
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
