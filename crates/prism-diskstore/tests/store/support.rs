//! A store in a temporary folder, and calls on it.

use std::path::Path;

use bytes::Bytes;
use prism_diskstore::DiskStore;
use prism_diskstore::config::{Durability, Live, Settings};
use prism_plugin::list::{End, List as _};
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Context, Error, KeyValue as _};

pub(crate) fn settings(path: &Path) -> Settings {
    let live = Live { durability: Durability::Never, min_free: 0, cache_bytes: 8 << 20 };
    Settings { path: path.to_owned(), live }
}

pub(crate) fn open(path: &Path) -> DiskStore {
    DiskStore::open(&settings(path)).unwrap()
}

pub(crate) fn namespace() -> Namespace {
    Namespace::new("test".to_owned()).unwrap()
}

pub(crate) fn key(name: &str) -> Key {
    Key::stored(name.to_owned())
}

pub(crate) async fn set(
    store: &DiskStore,
    name: &str,
    value: &str,
    seconds: Option<i64>,
) -> Result<(), Error> {
    let ttl = seconds.map(|seconds| Ttl::from_secs(seconds).unwrap());
    store.set(&Context::default(), namespace(), key(name), Bytes::from(value.to_owned()), ttl).await
}

pub(crate) async fn get(store: &DiskStore, name: &str) -> Option<Bytes> {
    store.get(&Context::default(), namespace(), key(name)).await.unwrap()
}

pub(crate) async fn push(store: &DiskStore, name: &str, end: End, value: &str) -> u64 {
    let value = Bytes::from(value.to_owned());
    store.push(&Context::default(), namespace(), key(name), end, value).await.unwrap()
}

pub(crate) async fn pop(store: &DiskStore, name: &str, end: End) -> Option<Bytes> {
    store.pop(&Context::default(), namespace(), key(name), end).await.unwrap()
}
