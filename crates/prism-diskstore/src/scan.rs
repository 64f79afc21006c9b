//! A scan between two pages: it holds no view, so that it keeps nothing on disk that was replaced meanwhile, and reads
//! what is committed when it reads a page.
//!
//! Its position is the last key. Keys are in one order for as long as the store lives, so any key, even one that is gone,
//! says where to continue, also after a restart.

use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use prism_plugin::Error;
use prism_plugin::keyvalue::{Page, Pages, Range, Start};
use prism_plugin::types::Key;

use crate::clock;
use crate::engine::{Fault, View};
use crate::layout::{self, Stored};
use crate::store::DiskStore;

/// The most that a page holds and that is read at a time.
const PAGE_KEYS: usize = 256;
const PAGE_BYTES: usize = 256 * 1024;

/// How many keys are counted before other blocking work may have its turn.
const COUNT_KEYS: usize = 4096;

/// Keys of the engine that are still to be read.
#[derive(Clone, Debug)]
struct Cursor {
    from: Vec<u8>,
    to: Vec<u8>,
    /// Whether they are read from the greatest to the least.
    reverse: bool,
}

impl Cursor {
    /// All keys of a namespace with a prefix.
    fn new<S: Stored>(namespace: &str, prefix: &str) -> Self {
        let from = S::key(namespace, prefix.as_bytes());
        let to = layout::behind(&from);
        Self { from, to, reverse: false }
    }

    /// Continues behind this key, unless that would be before the beginning.
    fn move_behind(&mut self, key: Vec<u8>) {
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

pub(crate) struct Scan<S> {
    store: DiskStore,
    cursor: Cursor,
    /// How many items may still be sent.
    left: usize,
    /// The size at which a page ends.
    page_bytes: usize,
    /// Whether pages tell how long their items have left to live.
    with_ttl: bool,
    /// What an item counts towards the size of a page.
    bytes: fn(&Key, &S) -> usize,
}

/// What was read at a time: live items, and the last key that was seen; `None` at the end.
struct Chunk<S> {
    items: Vec<(Key, S)>,
    ttls_left: Vec<Option<Duration>>,
    last: Option<Vec<u8>>,
}

impl<S: Stored> Scan<S> {
    pub(crate) fn new(store: &DiskStore, range: Range, bytes: fn(&Key, &S) -> usize) -> Self {
        let Range { namespace, prefix, start, limit, end, reverse, page_bytes, with_ttl } = range;
        let mut cursor = Cursor { reverse, ..Cursor::new::<S>(&namespace, &prefix) };
        if let Some(end) = end {
            cursor.end_before(S::key(&namespace, end.as_bytes()));
        }
        let behind = match start {
            Start::Beginning => None,
            Start::After(key) => Some(Bytes::from(key.into_string())),
            Start::Resume(position) => Some(position),
        };
        if let Some(key) = behind {
            cursor.move_behind(S::key(&namespace, &key));
        }
        Self {
            store: store.clone(),
            cursor,
            left: limit.unwrap_or(usize::MAX),
            page_bytes: page_bytes.unwrap_or(PAGE_BYTES).min(PAGE_BYTES),
            with_ttl,
            bytes,
        }
    }

    pub(crate) fn pages<T: Send + 'static>(self, item: fn(Key, S) -> T) -> Pages<T> {
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
    async fn next_page<T>(&mut self, item: fn(Key, S) -> T) -> Result<Option<Page<T>>, Error> {
        while self.left > 0 && self.cursor.from < self.cursor.to {
            let (cursor, max, bytes) = (self.cursor.clone(), self.left.min(PAGE_KEYS), self.bytes);
            let page_bytes = self.page_bytes;
            let chunk = self.store.read(move |view| chunk(view, &cursor, max, page_bytes, bytes)).await?;
            let Some(last) = chunk.last else { return Ok(None) };
            let resume = layout::parts(&last).map(|(_, key)| Bytes::copy_from_slice(key));
            self.cursor.move_behind(last);
            if !chunk.items.is_empty() {
                self.left -= chunk.items.len();
                let items = chunk.items.into_iter().map(|(key, stored)| item(key, stored)).collect();
                let ttls_left = if self.with_ttl { chunk.ttls_left } else { Vec::new() };
                return Ok(Some(Page { items, ttls_left, resume }));
            }
        }
        Ok(None)
    }
}

impl DiskStore {
    /// The number of live keys with a prefix.
    pub(crate) async fn count_stored<S: Stored>(&self, namespace: &str, prefix: &str) -> Result<u64, Error> {
        let mut cursor = Cursor::new::<S>(namespace, prefix);
        let mut count = 0;
        loop {
            let from = cursor.clone();
            let (live, next) = self
                .read(move |view| {
                    let now = clock::now();
                    let (mut seen, mut live, mut next) = (0, 0, None);
                    view.scan(&from.from, &from.to, &mut |key, encoded| {
                        seen += 1;
                        live += u64::from(S::is_live(encoded, now));
                        if seen < COUNT_KEYS {
                            return ControlFlow::Continue(());
                        }
                        next = Some(key.to_vec());
                        ControlFlow::Break(())
                    })?;
                    Ok((live, next))
                })
                .await?;
            count += live;
            match next {
                Some(key) => cursor.move_behind(key),
                None => return Ok(count),
            }
        }
    }
}

fn chunk<S: Stored>(
    view: &dyn View,
    cursor: &Cursor,
    max: usize,
    page_bytes: usize,
    bytes: fn(&Key, &S) -> usize,
) -> Result<Chunk<S>, Fault> {
    let now = clock::now();
    let mut chunk = Chunk { items: Vec::new(), ttls_left: Vec::new(), last: None };
    let (mut seen, mut sum) = (0, 0);
    let mut damaged = false;
    let mut visit = |key: &[u8], encoded: &[u8]| {
        seen += 1;
        chunk.last = Some(key.to_vec());
        if S::is_live(encoded, now) {
            match item::<S>(key, encoded) {
                Some((key, stored)) => {
                    sum += bytes(&key, &stored);
                    chunk.ttls_left.push(stored.left(now));
                    chunk.items.push((key, stored));
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

fn item<S: Stored>(key: &[u8], encoded: &[u8]) -> Option<(Key, S)> {
    let (_, key) = layout::parts(key)?;
    let key = Key::stored(String::from_utf8(key.to_vec()).ok()?);
    Some((key, S::decode(Bytes::copy_from_slice(encoded))?))
}
