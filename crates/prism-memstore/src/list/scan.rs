//! Which lists there are.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use prism_plugin::keyvalue::{Page, Pages, Range};
use prism_plugin::list::ListScan;
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};
use tokio::task::yield_now;

use crate::index::{CHUNK_KEYS, Cursor};
use crate::store::MemStore;

/// A scan between two pages. It holds no lock.
struct Scan {
    store: MemStore,
    namespace: Namespace,
    cursor: Cursor,
    /// How many lists may still be sent.
    left: usize,
    begun: bool,
}

impl Scan {
    /// The next lists, at least one; `None` at the end.
    async fn next_page(&mut self) -> Option<Page<(Key, u64)>> {
        while self.left > 0 {
            if std::mem::replace(&mut self.begun, true) {
                yield_now().await;
            }
            let items = self.next_chunk()?;
            if !items.is_empty() {
                self.left -= items.len();
                return Some(Page { resume: self.cursor.position(), ..items.into() });
            }
        }
        None
    }

    /// Those of the next lists that are still there; `None` if none are left.
    fn next_chunk(&mut self) -> Option<Vec<(Key, u64)>> {
        let max = self.left.min(CHUNK_KEYS);
        let found = self.store.shared.lists.read(&self.namespace, |lists| {
            let names = lists.chunk(&self.cursor, max);
            names.into_iter().map(|name| (lists.length(&name), name)).collect::<Vec<_>>()
        })?;
        let (_, last) = found.last()?;
        self.cursor.move_behind(last);
        let to_item = |(length, name): (u64, Arc<[u8]>)| {
            let name = String::from_utf8(name.to_vec()).expect("lists are named by strings");
            (length > 0).then(|| (Key::stored(name), length))
        };
        Some(found.into_iter().filter_map(to_item).collect())
    }
}

impl ListScan for MemStore {
    fn scan_lists(&self, _: &Context, range: Range) -> Pages<(Key, u64)> {
        let scan = Scan {
            store: self.clone(),
            namespace: range.namespace.clone(),
            left: range.limit.unwrap_or(usize::MAX),
            cursor: Cursor::of(range),
            begun: false,
        };
        stream::unfold(scan, async |mut scan| {
            let page = scan.next_page().await?;
            Some((Ok(page), scan))
        })
        .boxed()
    }

    async fn count_lists(&self, _: &Context, namespace: Namespace, prefix: String) -> Result<u64, Error> {
        let mut cursor = Cursor::new(prefix);
        let mut count = 0;
        loop {
            let names = self.shared.lists.read(&namespace, |lists| lists.chunk(&cursor, CHUNK_KEYS));
            let Some(names) = names.filter(|names| !names.is_empty()) else { return Ok(count) };
            count += names.len() as u64;
            names.last().into_iter().for_each(|last| cursor.move_behind(last));
            yield_now().await;
        }
    }
}
