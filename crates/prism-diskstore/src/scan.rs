//! A scan between two pages: it holds no view, so that it keeps nothing on disk that was replaced meanwhile, and reads
//! what is committed when it reads a page.
//!
//! Its position is the last key. Keys are in one order for as long as the store lives, so any key, even one that is gone,
//! says where to continue, also after a restart.

use std::ops::ControlFlow;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use prism_plugin::Error;
use prism_plugin::keyvalue::{Page, Pages, Range, Start};
use prism_plugin::types::Key;

use crate::clock;
use crate::engine::{Fault, View};
use crate::layout::{self, Record};
use crate::store::DiskStore;

/// The most that a page holds and that is read at a time.
const PAGE_KEYS: usize = 256;
const PAGE_BYTES: usize = 256 * 1024;

/// Keys of the engine that are still to be read.
#[derive(Clone, Debug)]
pub(crate) struct Cursor {
    pub(crate) from: Vec<u8>,
    pub(crate) to: Vec<u8>,
    /// Whether they are read from the greatest to the least.
    reverse: bool,
}

impl Cursor {
    /// All keys of a namespace with a prefix.
    pub(crate) fn new(namespace: &str, prefix: &str) -> Self {
        let from = layout::value(namespace, prefix.as_bytes());
        let to = layout::behind(&from);
        Self { from, to, reverse: false }
    }

    /// Continues behind this key, unless that would be before the beginning.
    pub(crate) fn move_behind(&mut self, key: Vec<u8>) {
        if self.reverse { self.end_below(key) } else { self.begin_above(key) }
    }

    /// Leaves out this key and those that come behind it.
    fn end_before(&mut self, key: Vec<u8>) {
        if self.reverse { self.begin_above(key) } else { self.end_below(key) }
    }

    fn begin_above(&mut self, mut key: Vec<u8>) {
        // The least key that is greater.
        key.push(0);
        if key > self.from {
            self.from = key;
        }
    }

    fn end_below(&mut self, key: Vec<u8>) {
        if key < self.to {
            self.to = key;
        }
    }
}

pub(crate) struct Scan {
    store: DiskStore,
    cursor: Cursor,
    /// How many items may still be sent.
    left: usize,
    /// The size at which a page ends.
    page_bytes: usize,
    /// What an item counts towards the size of a page.
    bytes: fn(&Key, &Record) -> usize,
}

/// What was read at a time: live items, and the last key that was seen; `None` at the end.
struct Chunk {
    items: Vec<(Key, Record)>,
    last: Option<Vec<u8>>,
}

impl Scan {
    pub(crate) fn new(store: &DiskStore, range: Range, bytes: fn(&Key, &Record) -> usize) -> Self {
        let Range { namespace, prefix, start, limit, end, reverse, page_bytes, with_ttl: _ } = range;
        let mut cursor = Cursor { reverse, ..Cursor::new(&namespace, &prefix) };
        if let Some(end) = end {
            cursor.end_before(layout::value(&namespace, end.as_bytes()));
        }
        let behind = match start {
            Start::Beginning => None,
            Start::After(key) => Some(Bytes::from(key.into_string())),
            Start::Resume(position) => Some(position),
        };
        if let Some(key) = behind {
            cursor.move_behind(layout::value(&namespace, &key));
        }
        Self {
            store: store.clone(),
            cursor,
            left: limit.unwrap_or(usize::MAX),
            page_bytes: page_bytes.unwrap_or(PAGE_BYTES).min(PAGE_BYTES),
            bytes,
        }
    }

    pub(crate) fn pages<T: Send + 'static>(self, item: fn(Key, Record) -> T) -> Pages<T> {
        stream::unfold(Some(self), move |scan| async move {
            let mut scan = scan?;
            match scan.next_page(item).await {
                Ok(page) => page.map(|page| (Ok(page), Some(scan))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }

    /// The next live items, at least one; `None` at the end.
    async fn next_page<T>(&mut self, item: fn(Key, Record) -> T) -> Result<Option<Page<T>>, Error> {
        while self.left > 0 && self.cursor.from < self.cursor.to {
            let (cursor, max, bytes) = (self.cursor.clone(), self.left.min(PAGE_KEYS), self.bytes);
            let page_bytes = self.page_bytes;
            let chunk = self.store.read(move |view| chunk(view, &cursor, max, page_bytes, bytes)).await?;
            let Some(last) = chunk.last else { return Ok(None) };
            let resume = layout::parts(&last).map(|(_, key)| Bytes::copy_from_slice(key));
            self.cursor.move_behind(last);
            if !chunk.items.is_empty() {
                self.left -= chunk.items.len();
                let items = chunk.items.into_iter().map(|(key, record)| item(key, record)).collect();
                return Ok(Some(Page { items, ttls_left: Vec::new(), resume }));
            }
        }
        Ok(None)
    }
}

fn chunk(
    view: &dyn View,
    cursor: &Cursor,
    max: usize,
    page_bytes: usize,
    bytes: fn(&Key, &Record) -> usize,
) -> Result<Chunk, Fault> {
    let now = clock::now();
    let mut chunk = Chunk { items: Vec::new(), last: None };
    let (mut seen, mut sum) = (0, 0);
    let mut damaged = false;
    let mut visit = |key: &[u8], encoded: &[u8]| {
        seen += 1;
        chunk.last = Some(key.to_vec());
        if layout::is_live(encoded, now) {
            match item(key, encoded) {
                Some((key, record)) => {
                    sum += bytes(&key, &record);
                    chunk.items.push((key, record));
                }
                None => damaged = true,
            }
        }
        if seen < max && sum < page_bytes && !damaged {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    };
    let Cursor { from, to, reverse } = cursor;
    if *reverse {
        view.scan_back(from, to, &mut visit)?
    } else {
        view.scan(from, to, &mut visit)?
    }
    match damaged {
        true => Err(Fault::Damaged("a key or its record cannot be decoded".to_owned())),
        false => Ok(chunk),
    }
}

fn item(key: &[u8], encoded: &[u8]) -> Option<(Key, Record)> {
    let (_, key) = layout::parts(key)?;
    let key = Key::stored(String::from_utf8(key.to_vec()).ok()?);
    Some((key, Record::decode(Bytes::copy_from_slice(encoded))?))
}
