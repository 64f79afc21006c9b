//! The KeyValue half of the store: values by key, and scans.

mod batch;
mod cas;
mod change;
mod counter;
mod ttl;

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use prism_plugin::keyvalue::{KeyValue, Page, Pages, Range, ValueAndTtl};
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Capabilities, Context, Durability, Error};
use tokio::task::yield_now;

use crate::clock::Time;
use crate::entry::Entry;
use crate::index::{CHUNK_KEYS, Cursor};
use crate::keys::{is_live, live_value};
use crate::store::MemStore;

/// The size at which a page ends, so that a scan of the largest values holds a few of them instead of 256.
const PAGE_BYTES: usize = 256 * 1024;

impl KeyValue for MemStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            ordered: true,
            scan_exactly_once: true,
            exact_count: true,
            linearizable: true,
            in_memory: true,
            resumable: true,
            evicts: false,
            durability: Some(Durability::None),
            idempotent_retries: true,
        }
    }

    fn epoch(&self) -> Option<u64> {
        Some(self.shared.epoch)
    }

    fn identity(&self) -> &str {
        "memstore"
    }

    async fn set(
        &self,
        _: &Context,
        namespace: Namespace,
        key: Key,
        value: Bytes,
        ttl: Option<Ttl>,
    ) -> Result<(), Error> {
        let shared = &*self.shared;
        let entry = Entry::new(&key, &value, self.deadline(ttl));
        self.write(|| {
            shared.keys.write(&namespace, &shared.memory, |keys| {
                keys.put(entry.clone(), &shared.memory, &shared.timers)
            })
        })
        .await
    }

    async fn get(&self, _: &Context, namespace: Namespace, key: Key) -> Result<Option<Bytes>, Error> {
        let now = || self.shared.clock.now();
        let value = self.shared.keys.read(&namespace, |keys| keys.read(&key, |entry| live_value(entry, now)));
        Ok(value.flatten().flatten())
    }

    fn reads_ttl(&self) -> bool {
        true
    }

    async fn get_with_ttl(
        &self,
        _: &Context,
        namespace: Namespace,
        key: Key,
    ) -> Result<Option<ValueAndTtl>, Error> {
        let now = self.shared.clock.now();
        let read = |entry: &Entry| entry.is_live(now).then(|| (entry.to_value(), entry.left(now)));
        Ok(self.shared.keys.read(&namespace, |keys| keys.read(&key, read)).flatten().flatten())
    }

    async fn delete(&self, _: &Context, namespace: Namespace, key: Key) -> Result<bool, Error> {
        let shared = &*self.shared;
        let removed = shared.keys.remove(&namespace, &shared.memory, |keys| {
            keys.remove_if(key.as_bytes(), |_| true, &shared.memory, &shared.timers)
        });
        Ok(removed.flatten().is_some_and(|entry| is_live(&entry, || shared.clock.now())))
    }

    async fn exists(&self, _: &Context, namespace: Namespace, key: Key) -> Result<bool, Error> {
        let now = || self.shared.clock.now();
        let exists = self.shared.keys.read(&namespace, |keys| keys.read(&key, |entry| is_live(entry, now)));
        Ok(exists.flatten().unwrap_or(false))
    }

    fn scan(&self, _: &Context, range: Range) -> Pages<(Key, Bytes)> {
        let bytes = |entry: &Entry| entry.key().len() + entry.value_len();
        Scan::new(self, range, bytes).pages(|entry| (entry.to_key(), entry.to_value()))
    }

    fn scan_keys(&self, _: &Context, range: Range) -> Pages<Key> {
        Scan::new(self, range, |entry| entry.key().len()).pages(Entry::to_key)
    }

    async fn count(&self, _: &Context, namespace: Namespace, prefix: String) -> Result<u64, Error> {
        let shared = &*self.shared;
        let mut cursor = Cursor::new(prefix);
        if cursor.is_everything()
            && let Some(all) = shared.keys.read(&namespace, |keys| keys.index().count_all()).flatten()
        {
            return Ok(all);
        }
        let mut count = 0;
        while let Some(live) = shared
            .keys
            .read(&namespace, |keys| keys.index().count_chunk(&mut cursor, shared.clock.now()))
            .flatten()
        {
            count += live;
            yield_now().await;
        }
        Ok(count)
    }
}

impl MemStore {
    /// When a key that is written now expires.
    fn deadline(&self, ttl: Option<Ttl>) -> Time {
        ttl.map_or(Time::NEVER, |ttl| self.shared.clock.now().plus(ttl.as_duration()))
    }
}

/// A scan between two pages. It holds no lock and no entry, and looks up its namespace for each chunk.
struct Scan {
    store: MemStore,
    namespace: Namespace,
    cursor: Cursor,
    /// How many items may still be sent.
    left: usize,
    page_bytes: usize,
    with_ttl: bool,
    /// The part of an entry that counts towards the size of a page.
    bytes: fn(&Entry) -> usize,
    begun: bool,
}

impl Scan {
    fn new(store: &MemStore, range: Range, bytes: fn(&Entry) -> usize) -> Self {
        Self {
            store: store.clone(),
            namespace: range.namespace.clone(),
            left: range.limit.unwrap_or(usize::MAX),
            page_bytes: range.page_bytes.unwrap_or(PAGE_BYTES).min(PAGE_BYTES),
            with_ttl: range.with_ttl,
            cursor: Cursor::of(range),
            bytes,
            begun: false,
        }
    }

    fn pages<T: Send + 'static>(self, item: fn(&Entry) -> T) -> Pages<T> {
        stream::unfold(self, move |mut scan| async move {
            let page = scan.next_page(item).await?;
            Some((Ok(page), scan))
        })
        .boxed()
    }

    /// The next live items, at least one; `None` at the end.
    async fn next_page<T>(&mut self, item: fn(&Entry) -> T) -> Option<Page<T>> {
        while self.left > 0 {
            if std::mem::replace(&mut self.begun, true) {
                yield_now().await;
            }
            let (items, ttls_left) = self.next_chunk(item)?;
            if !items.is_empty() {
                self.left -= items.len();
                return Some(Page { items, ttls_left, resume: self.cursor.position() });
            }
        }
        None
    }

    /// The live ones among the next entries, possibly none, with their times to live if asked for; `None` if no entries are left.
    fn next_chunk<T>(&mut self, item: fn(&Entry) -> T) -> Option<(Vec<T>, Vec<Option<Duration>>)> {
        let shared = &*self.store.shared;
        let entries_max = self.left.min(CHUNK_KEYS);
        let chunk = shared.keys.read(&self.namespace, |keys| {
            keys.index().chunk(&self.cursor, entries_max, self.page_bytes, self.bytes)
        })?;
        self.cursor.move_behind(chunk.last()?.key());
        let now = shared.clock.now();
        let live = || chunk.iter().filter(|entry| entry.is_live(now));
        let ttls_left =
            if self.with_ttl { live().map(|entry| entry.left(now)).collect() } else { Vec::new() };
        Some((live().map(item).collect(), ttls_left))
    }
}
