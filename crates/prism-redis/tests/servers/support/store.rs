//! Stores, and calls on them without a server in between.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use prism_plugin::keyvalue::{Pages, Range, Start};
use prism_plugin::list::{End, List as _};
use prism_plugin::retries::{Attempt, IdempotencyKey};
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Context, Error, KeyValue as _};
use prism_redis::config::Options;
use prism_redis::{RedisStore, open};
use serde_json::Value;

/// A store with the options of a configuration file.
pub(crate) fn store(options: Value) -> RedisStore {
    let settings = Options::read(options.as_object().unwrap());
    open(settings.unwrap_or_else(|mistakes| panic!("{mistakes:?}")))
}

pub(crate) fn namespace() -> Namespace {
    Namespace::new("default".to_owned()).unwrap()
}

pub(crate) fn key(key: impl Into<String>) -> Key {
    Key::new("key", key.into()).unwrap()
}

/// A call's context with a deadline so late that it does not matter.
pub(crate) fn patient() -> Context {
    Context::default().or_timeout(Duration::from_secs(20))
}

/// The context of a call under an idempotency key, of a client's number and its own.
pub(crate) fn call_of(client: u128, seq: u64, acked: u64) -> Context {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&seq.to_be_bytes());
    attempting(IdempotencyKey { client, seq, acked }, digest)
}

/// The same of one client.
pub(crate) fn call(seq: u64, acked: u64) -> Context {
    call_of(7, seq, acked)
}

/// The same for another request under the same number.
pub(crate) fn other_call(seq: u64) -> Context {
    attempting(IdempotencyKey { client: 7, seq, acked: 0 }, [9; 32])
}

fn attempting(key: IdempotencyKey, digest: [u8; 32]) -> Context {
    patient().attempting(Arc::new(Attempt::new(key, None, "default".to_owned(), "/a.B/C", digest)))
}

pub(crate) async fn push_under(
    store: &RedisStore,
    context: &Context,
    name: &str,
    value: &str,
) -> Result<u64, Error> {
    store.push(context, namespace(), key(name), End::Right, Bytes::from(value.to_owned())).await
}

pub(crate) async fn set(store: &RedisStore, name: &str, value: &str) -> Result<(), Error> {
    store.set(&patient(), namespace(), key(name), Bytes::from(value.to_owned()), None).await
}

pub(crate) async fn set_for(store: &RedisStore, name: &str, seconds: i64) -> Result<(), Error> {
    let ttl = Some(Ttl::from_secs(seconds).unwrap());
    store.set(&patient(), namespace(), key(name), Bytes::from_static(b"v"), ttl).await
}

pub(crate) async fn get(store: &RedisStore, name: &str) -> Result<Option<String>, Error> {
    let value = store.get(&patient(), namespace(), key(name)).await?;
    Ok(value.map(|value| String::from_utf8(value.to_vec()).unwrap()))
}

pub(crate) async fn push(store: &RedisStore, name: &str, value: &str) -> Result<u64, Error> {
    push_under(store, &patient(), name, value).await
}

pub(crate) async fn length(store: &RedisStore, name: &str) -> Result<u64, Error> {
    store.length(&patient(), namespace(), key(name)).await
}

/// All keys with a prefix.
pub(crate) fn range(prefix: &str, start: Start, limit: Option<usize>) -> Range {
    Range { start, limit, ..Range::new(namespace(), prefix.to_owned()) }
}

/// The items of all pages.
pub(crate) async fn items<T>(pages: Pages<T>) -> Result<Vec<T>, Error> {
    let pages: Vec<_> = pages.try_collect().await?;
    Ok(pages.into_iter().flat_map(|page| page.items).collect())
}
