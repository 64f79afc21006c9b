//! The store's guarantees, on one runtime with a paused clock unless a test needs real threads.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod changes;
mod concurrency;
mod expiry;
mod keyvalue;
mod limit;
mod list;
mod model;
mod namespaces;
mod reserve;
mod retries;
mod scan;
mod transfer;
mod waiters;

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use prism_memstore::MemStore;
use prism_plugin::keyvalue::{KeyValue as _, Page, Pages, Range, Start};
use prism_plugin::list::{End, List as _};
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Context, Error, ErrorReason};

/// A store, and the namespace to work in.
#[derive(Clone)]
struct Store {
    store: MemStore,
    namespace: Namespace,
}

impl Store {
    fn new() -> Self {
        Self::with_limit(None)
    }

    fn with_limit(bytes: Option<u64>) -> Self {
        Self { store: MemStore::new(bytes), namespace: namespace("") }
    }

    /// A store whose expiry task runs, until the test's runtime ends.
    fn expiring(self) -> Self {
        tokio::spawn(self.store.expiry().run(std::future::pending::<()>()));
        self
    }

    fn namespace(&self, name: &str) -> Self {
        Self { store: self.store.clone(), namespace: namespace(name) }
    }

    async fn try_set(&self, key: &str, value: impl AsRef<[u8]>, ttl: Option<i64>) -> Result<(), Error> {
        let ttl = ttl.map(|seconds| Ttl::from_secs(seconds).unwrap());
        let value = Bytes::copy_from_slice(value.as_ref());
        self.store.set(&Context::default(), self.namespace.clone(), self::key(key), value, ttl).await
    }

    async fn set(&self, key: &str, value: impl AsRef<[u8]>, ttl: Option<i64>) {
        self.try_set(key, value, ttl).await.unwrap();
    }

    async fn get(&self, key: &str) -> Option<Bytes> {
        self.store.get(&Context::default(), self.namespace.clone(), self::key(key)).await.unwrap()
    }

    async fn exists(&self, key: &str) -> bool {
        self.store.exists(&Context::default(), self.namespace.clone(), self::key(key)).await.unwrap()
    }

    async fn delete(&self, key: &str) -> bool {
        self.store.delete(&Context::default(), self.namespace.clone(), self::key(key)).await.unwrap()
    }

    async fn count(&self, prefix: &str) -> u64 {
        self.store.count(&Context::default(), self.namespace.clone(), prefix.to_owned()).await.unwrap()
    }

    fn range(&self, prefix: &str) -> Range {
        Range::new(self.namespace.clone(), prefix.to_owned())
    }

    /// The keys of a whole scan, which must agree with those of ScanKeys.
    async fn scan(&self, prefix: &str) -> Vec<String> {
        let keys = keys(self.store.scan_keys(&Context::default(), self.range(prefix))).await;
        let items = collect(self.store.scan(&Context::default(), self.range(prefix))).await;
        let item_keys: Vec<_> = items.into_iter().map(|(key, _)| key.into_string()).collect();
        assert_eq!(item_keys, keys);
        keys
    }

    async fn try_push(&self, list: &str, end: End, value: impl AsRef<[u8]>) -> Result<u64, Error> {
        let value = Bytes::copy_from_slice(value.as_ref());
        self.store.push(&Context::default(), self.namespace.clone(), self::key(list), end, value).await
    }

    async fn push(&self, list: &str, end: End, value: impl AsRef<[u8]>) -> u64 {
        self.try_push(list, end, value).await.unwrap()
    }

    async fn pop(&self, list: &str, end: End) -> Option<Bytes> {
        self.store.pop(&Context::default(), self.namespace.clone(), self::key(list), end).await.unwrap()
    }

    async fn length(&self, list: &str) -> u64 {
        self.store.length(&Context::default(), self.namespace.clone(), self::key(list)).await.unwrap()
    }

    fn bytes(&self) -> u64 {
        self.store.totals().bytes
    }
}

fn namespace(name: &str) -> Namespace {
    Namespace::new(name.to_owned()).unwrap()
}

fn key(key: &str) -> Key {
    Key::new("key", key.to_owned()).unwrap()
}

async fn collect<T>(pages: Pages<T>) -> Vec<T> {
    let pages: Vec<_> = pages.try_collect().await.unwrap();
    assert!(pages.iter().all(|page| !page.items.is_empty()), "a page holds at least one item");
    assert!(pages.iter().all(|page| page.resume.is_some()), "a scan can be continued behind each page");
    items(pages)
}

fn items<T>(pages: Vec<Page<T>>) -> Vec<T> {
    pages.into_iter().flat_map(|page| page.items).collect()
}

async fn keys(pages: Pages<Key>) -> Vec<String> {
    collect(pages).await.into_iter().map(Key::into_string).collect()
}

async fn seconds(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

/// Lets the expiry task come to rest: a paused clock advances by itself once every task waits.
async fn rest() {
    tokio::time::sleep(Duration::from_millis(1100)).await;
}

fn assert_full<T: Debug>(written: Result<T, Error>) -> Error {
    let error = written.expect_err("the store is full");
    assert_eq!(error.reason, ErrorReason::MemoryLimit);
    error
}
