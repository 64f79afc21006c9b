//! The KeyValue half of the store.

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use prism_plugin::keyvalue::{KeyValue, Page, Pages, Range, Start};
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Capabilities, Context, Error};
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
        let deadline = ttl.map_or(Time::NEVER, |ttl| shared.clock.now().plus(ttl.as_duration()));
        let entry = Entry::new(&key, &value, deadline);
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
        let mut cursor = Cursor::new(prefix, Start::Beginning);
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

/// A scan between two pages. It holds no lock and no entry, and looks up its namespace for each chunk.
struct Scan {
    store: MemStore,
    namespace: Namespace,
    cursor: Cursor,
    /// How many items may still be sent.
    left: usize,
    /// The part of an entry that counts towards the size of a page.
    bytes: fn(&Entry) -> usize,
    begun: bool,
}

impl Scan {
    fn new(store: &MemStore, range: Range, bytes: fn(&Entry) -> usize) -> Self {
        let Range { namespace, prefix, start, limit } = range;
        Self {
            store: store.clone(),
            namespace,
            cursor: Cursor::new(prefix, start),
            left: limit.unwrap_or(usize::MAX),
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
            let items = self.next_chunk(item)?;
            if !items.is_empty() {
                self.left -= items.len();
                return Some(Page { items, resume: self.cursor.position() });
            }
        }
        None
    }

    /// The live ones among the next entries, possibly none; `None` if no entries are left.
    fn next_chunk<T>(&mut self, item: fn(&Entry) -> T) -> Option<Vec<T>> {
        let shared = &*self.store.shared;
        let entries_max = self.left.min(CHUNK_KEYS);
        let chunk = shared.keys.read(&self.namespace, |keys| {
            keys.index().chunk(&self.cursor, entries_max, PAGE_BYTES, self.bytes)
        })?;
        self.cursor.move_behind(chunk.last()?.key());
        let now = shared.clock.now();
        Some(chunk.iter().filter(|entry| entry.is_live(now)).map(item).collect())
    }
}
