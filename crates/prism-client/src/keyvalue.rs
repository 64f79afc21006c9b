//! Values by key: the verbs of `prism.interfaces.keyvalue`.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use prism_proto::interfaces::keyvalue::{
    CountRequest, DeleteRequest, ExistsRequest, GetRequest, ScanKeysRequest, ScanRequest, SetRequest,
};

use crate::call::Call;
use crate::method::{Count, Delete, Exists, Get, Set};
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

    /// Removes `key` and returns whether it existed. A missing key is not an error.
    pub fn delete(&self, key: impl Into<String>) -> Call<Delete> {
        Call::new(&self.shared, DeleteRequest { namespace: self.namespace(), key: key.into() })
    }

    /// Whether `key` exists and has not expired.
    pub fn exists(&self, key: impl Into<String>) -> Call<Exists> {
        Call::new(&self.shared, ExistsRequest { namespace: self.namespace(), key: key.into() })
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

    fn namespace(&self) -> String {
        self.namespace.as_ref().to_owned()
    }
}

impl fmt::Debug for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyValue").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
