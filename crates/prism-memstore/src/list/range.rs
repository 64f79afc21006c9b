//! Parts of lists.

use std::ops;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use prism_plugin::list::{ListRange, Values, indices};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};
use tokio::task::yield_now;

use crate::index::CHUNK_KEYS;
use crate::items::Items;
use crate::lists::{PAGE_MAX, PageMax, Taken, page};
use crate::store::{MemStore, Shared};

/// A range that is read page by page. It holds no lock.
struct Reading {
    store: MemStore,
    namespace: Namespace,
    list_key: Key,
    /// The indices that are left; `None` before the length of the list is known.
    left: Option<ops::Range<u64>>,
    start: i64,
    stop: i64,
    page_max: PageMax,
}

impl Reading {
    /// The next values; `None` at the end.
    fn next_page(&mut self) -> Option<Vec<Bytes>> {
        let lists = &self.store.shared.lists;
        let read = |items: &Items| {
            let left = self.left.take().unwrap_or_else(|| indices(self.start, self.stop, items.len()));
            let values = page(items, left.start, left.end, self.page_max);
            self.left = Some(left.start + values.len() as u64..left.end);
            values
        };
        let values =
            lists.read(&self.namespace, |lists| lists.read(self.list_key.as_bytes(), read)).flatten()?;
        (!values.is_empty()).then_some(values)
    }
}

impl MemStore {
    /// The values of a range of a list, page by page.
    pub(crate) fn pages(
        &self,
        namespace: Namespace,
        list_key: Key,
        (start, stop): (i64, i64),
        page_max: PageMax,
    ) -> Values {
        self.shared.settle(&namespace, &list_key);
        let store = self.clone();
        let reading = Reading { store, namespace, list_key, left: None, start, stop, page_max };
        stream::unfold(reading, async |mut reading| {
            if reading.left.is_some() {
                yield_now().await;
            }
            reading.next_page().map(|values| (Ok(values), reading))
        })
        .boxed()
    }

    /// Frees the values of a list that is gone: many of them without waiting for that, so that it cannot be cancelled in between.
    pub(crate) fn free_taken(&self, taken: Taken) {
        if taken.len > CHUNK_KEYS as u64 {
            tokio::spawn(free(Arc::clone(&self.shared), taken));
        } else {
            taken.free_all(&self.shared.memory);
        }
    }
}

impl ListRange for MemStore {
    fn range(&self, _: &Context, namespace: Namespace, list_key: Key, start: i64, stop: i64) -> Values {
        self.pages(namespace, list_key, (start, stop), PAGE_MAX)
    }

    async fn trim(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        start: i64,
        stop: i64,
    ) -> Result<u64, Error> {
        self.shared.settle(&namespace, &list_key);
        let shared = &*self.shared;
        let left = shared.lists.remove(&namespace, &shared.memory, |lists| {
            lists.trim(list_key.as_bytes(), start, stop, &shared.memory)
        });
        Ok(left.unwrap_or_default())
    }

    async fn clear(&self, _: &Context, namespace: Namespace, list_key: Key) -> Result<u64, Error> {
        self.shared.settle(&namespace, &list_key);
        let Some(taken) = self.shared.clear(&(namespace, list_key)) else { return Ok(0) };
        let removed = taken.len;
        self.free_taken(taken);
        Ok(removed)
    }
}

/// Frees the values of a list that is gone, some at a time.
async fn free(shared: Arc<Shared>, mut taken: Taken) {
    while taken.free(CHUNK_KEYS, &shared.memory) {
        yield_now().await;
    }
}
