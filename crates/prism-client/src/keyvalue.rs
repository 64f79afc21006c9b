//! Values by key: the verbs of `prism.interfaces.keyvalue`.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use prism_proto::interfaces::keyvalue::{
    BatchSetItem, CountRequest, DeleteIfRequest, DeletePrefixRequest, DeleteRequest, ExistsRequest,
    ExpireRequest, GetAndDeleteRequest, GetAndSetRequest, GetRequest, GetTtlRequest, IncrementRequest,
    PersistRequest, ScanKeysRequest, ScanRequest, SetIfRequest, SetRequest,
};

use crate::batch::{Batch, BatchItem};
use crate::call::Call;
use crate::condition::Condition;
use crate::deletion::DeletePrefix;
use crate::method::{
    BatchDelete, BatchGet, BatchSet, Count, Delete, DeleteIf, Exists, Expire, Find, Get, GetAndDelete,
    GetAndSet, GetTtl, Increment, Persist, Set, SetIf, SetIfAbsent,
};
use crate::scan::{Entry, Scan};
use crate::shared::Shared;

/// Values by key in one namespace.
///
/// A key is 1 to 4,096 bytes of UTF-8, a value 0 to 4 MiB − 16 KiB. The server checks both: `InvalidArgument` /
/// `KEY_INVALID` or `VALUE_TOO_LARGE`. [`Call`] lists the errors that any call may have.
#[derive(Clone)]
pub struct KeyValue {
    shared: Arc<Shared>,
    namespace: Arc<str>,
}

impl KeyValue {
    pub(crate) fn new(shared: Arc<Shared>, namespace: Arc<str>) -> Self {
        Self { shared, namespace }
    }

    /// Stores `value` under `key`, replacing the key's value and its time to live; without
    /// [`ttl`](Call::ttl) the key does not expire.
    ///
    /// # Errors
    ///
    /// `ResourceExhausted` / `MEMORY_LIMIT` if the backend is full: the key keeps its previous value.
    pub fn set(&self, key: impl Into<String>, value: impl Into<Bytes>) -> Call<Set> {
        let (namespace, key, value) = (self.namespace(), key.into(), value.into());
        Call::new(&self.shared, SetRequest { namespace, key, value, ..SetRequest::default() })
    }

    /// Returns the value of `key`.
    ///
    /// # Errors
    ///
    /// `NotFound` / `KEY_NOT_FOUND` if the key does not exist or has expired.
    pub fn get(&self, key: impl Into<String>) -> Call<Get> {
        Call::new(&self.shared, GetRequest { namespace: self.namespace(), key: key.into(), with_ttl: false })
    }

    /// Returns the value of `key`; `None` if the key does not exist or has expired.
    pub fn find(&self, key: impl Into<String>) -> Call<Find> {
        Call::new(&self.shared, GetRequest { namespace: self.namespace(), key: key.into(), with_ttl: false })
    }

    /// Removes `key` and returns whether it existed. A missing key is not an error.
    pub fn delete(&self, key: impl Into<String>) -> Call<Delete> {
        Call::new(&self.shared, DeleteRequest { namespace: self.namespace(), key: key.into() })
    }

    /// Whether `key` exists and has not expired.
    pub fn exists(&self, key: impl Into<String>) -> Call<Exists> {
        Call::new(&self.shared, ExistsRequest { namespace: self.namespace(), key: key.into() })
    }

    /// Stores `value` under `key` if `condition` holds, replacing the key's value and its time to live. A condition that does
    /// not hold is not an error: see [`Changed::applied`](crate::Changed::applied).
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set); `InvalidArgument` / `CONDITION_INVALID` for a SHA-256 that does not have 32 bytes.
    pub fn set_if(
        &self,
        key: impl Into<String>,
        value: impl Into<Bytes>,
        condition: Condition,
    ) -> Call<SetIf> {
        Call::new(&self.shared, self.set_if_request(key.into(), value.into(), condition))
    }

    /// Stores `value` under `key` if the key does not exist, and returns whether it did so.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn set_if_absent(&self, key: impl Into<String>, value: impl Into<Bytes>) -> Call<SetIfAbsent> {
        Call::new(&self.shared, self.set_if_request(key.into(), value.into(), Condition::Absent))
    }

    /// Removes `key` if `condition` holds. A condition that does not hold is not an error.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` / `CONDITION_INVALID` for [`Condition::Absent`], which leaves nothing to remove.
    pub fn delete_if(&self, key: impl Into<String>, condition: Condition) -> Call<DeleteIf> {
        let (namespace, key, condition) = (self.namespace(), key.into(), Some(condition.into()));
        Call::new(&self.shared, DeleteIfRequest { namespace, key, condition, return_current: false })
    }

    /// Stores `value` under `key`, as [`set`](Self::set) does, and returns the value that it replaced; `None` if the key did
    /// not exist.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn get_and_set(&self, key: impl Into<String>, value: impl Into<Bytes>) -> Call<GetAndSet> {
        let (namespace, key, value) = (self.namespace(), key.into(), value.into());
        Call::new(&self.shared, GetAndSetRequest { namespace, key, value, ttl_millis: None })
    }

    /// Removes `key` and returns its value; `None` if the key did not exist.
    pub fn get_and_delete(&self, key: impl Into<String>) -> Call<GetAndDelete> {
        Call::new(&self.shared, GetAndDeleteRequest { namespace: self.namespace(), key: key.into() })
    }

    /// Adds `delta`, which may be negative, to the number at `key`, and returns the sum. A missing key counts as
    /// [`initial`](Call::initial), 0 by default. A number is stored as decimal text: `-17`.
    ///
    /// # Errors
    ///
    /// - `FailedPrecondition` / `NOT_A_NUMBER` if the value is none,
    /// - `OutOfRange` / `COUNTER_OVERFLOW` if the sum does not fit into 64 bits,
    /// - `ResourceExhausted` / `MEMORY_LIMIT` if the backend is full. In each case, nothing has changed.
    pub fn increment(&self, key: impl Into<String>, delta: i64) -> Call<Increment> {
        let (namespace, key) = (self.namespace(), key.into());
        Call::new(&self.shared, IncrementRequest { namespace, key, delta, ..IncrementRequest::default() })
    }

    /// The time that `key` has left to live; `None` if it does not expire.
    ///
    /// # Errors
    ///
    /// `NotFound` / `KEY_NOT_FOUND` if the key does not exist or has expired.
    pub fn get_ttl(&self, key: impl Into<String>) -> Call<GetTtl> {
        Call::new(&self.shared, GetTtlRequest { namespace: self.namespace(), key: key.into() })
    }

    /// Gives `key` a new time to live, in milliseconds from now, 1 to 3,153,600,000,000 (100 years), and returns whether the
    /// key exists.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` / `TTL_INVALID` if it is out of range.
    pub fn expire(&self, key: impl Into<String>, ttl_millis: i64) -> Call<Expire> {
        Call::new(&self.shared, ExpireRequest { namespace: self.namespace(), key: key.into(), ttl_millis })
    }

    /// Removes the time to live of `key`, and returns whether it had one; `false` also if the key does not exist.
    pub fn persist(&self, key: impl Into<String>) -> Call<Persist> {
        Call::new(&self.shared, PersistRequest { namespace: self.namespace(), key: key.into() })
    }

    /// The values of `keys`, in their order; `None` for a key that does not exist.
    pub fn get_many<K: Into<String>>(&self, keys: impl IntoIterator<Item = K>) -> Batch<BatchGet> {
        Batch::new(&self.shared, &self.namespace, keys.into_iter().map(Into::into).collect())
    }

    /// Stores values, each as [`set`](Self::set) does, in the order given.
    pub fn set_many<I: Into<BatchItem>>(&self, items: impl IntoIterator<Item = I>) -> Batch<BatchSet> {
        let items = items.into_iter().map(|item| BatchSetItem::from(item.into())).collect();
        Batch::new(&self.shared, &self.namespace, items)
    }

    /// Removes `keys`, and returns for each whether it existed.
    pub fn delete_many<K: Into<String>>(&self, keys: impl IntoIterator<Item = K>) -> Batch<BatchDelete> {
        Batch::new(&self.shared, &self.namespace, keys.into_iter().map(Into::into).collect())
    }

    /// Removes the keys that begin with `prefix`, one by one, and returns how many; all keys if it is empty.
    pub fn delete_prefix(&self, prefix: impl Into<String>) -> DeletePrefix {
        let (namespace, prefix) = (self.namespace(), prefix.into());
        DeletePrefix::new(
            &self.shared,
            DeletePrefixRequest { namespace, prefix, ..DeletePrefixRequest::default() },
        )
    }

    /// The number of live keys that begin with `prefix`, 0 to 4,096 bytes; all keys if it is empty.
    pub fn count(&self, prefix: impl Into<String>) -> Call<Count> {
        Call::new(&self.shared, CountRequest { namespace: self.namespace(), prefix: prefix.into() })
    }

    /// Streams the live keys that begin with `prefix` and their values; all keys if it is empty. In ascending byte
    /// order if the backend is ordered.
    pub fn scan(&self, prefix: impl Into<String>) -> Scan<Entry> {
        let (namespace, prefix) = (self.namespace(), prefix.into());
        Scan::new(&self.shared, ScanRequest { namespace, prefix, ..ScanRequest::default() })
    }

    /// Streams the live keys that begin with `prefix`, without their values; otherwise like [`scan`](Self::scan).
    pub fn scan_keys(&self, prefix: impl Into<String>) -> Scan<String> {
        let (namespace, prefix) = (self.namespace(), prefix.into());
        Scan::new(&self.shared, ScanKeysRequest { namespace, prefix, ..ScanKeysRequest::default() })
    }

    fn set_if_request(&self, key: String, value: Bytes, condition: Condition) -> SetIfRequest {
        let (namespace, condition) = (self.namespace(), Some(condition.into()));
        SetIfRequest { namespace, key, value, condition, ..SetIfRequest::default() }
    }

    fn namespace(&self) -> String {
        self.namespace.as_ref().to_owned()
    }
}

impl fmt::Debug for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyValue").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
