//! Parts of lists.

use std::ops::{ControlFlow, Range};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use prism_plugin::list::{End, ListRange, Values, indices};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use super::ends;
use crate::layout;
use crate::lists::{Opened, clear_leases};
use crate::store::DiskStore;

/// The number of values of a page at most, and the size at which it ends: what is read at a time.
pub(crate) type PageMax = (usize, usize);

/// What a page has by default.
const PAGE_MAX: PageMax = (256, 256 * 1024);

/// A range that is read page by page. It holds no view.
struct Reading {
    store: DiskStore,
    namespace: Namespace,
    list_key: Key,
    /// The positions that are left; `None` before the ends of the list are known.
    left: Option<Range<i64>>,
    start: i64,
    stop: i64,
    page_max: PageMax,
}

impl Reading {
    /// The next values; empty at the end.
    async fn next_page(&mut self) -> Result<Vec<Bytes>, Error> {
        let (namespace, list_key) = (self.namespace.clone(), self.list_key.clone());
        let (left, start, stop) = (self.left.take(), self.start, self.stop);
        let (values_max, bytes_max) = self.page_max;
        if left.is_none() {
            self.store.settled(&namespace, &list_key).await?;
        }
        let read = self.store.read(move |view| {
            let ends = ends(view, &namespace, list_key.as_bytes())?;
            // Positions stay those of their values while others push and pop.
            let left = left.unwrap_or_else(|| {
                let Range { start, end } = indices(start, stop, ends.len());
                ends.head + start.cast_signed()..ends.head + end.cast_signed()
            });
            let left = left.start.max(ends.head)..left.end.min(ends.tail);
            let (mut values, mut bytes) = (Vec::new(), 0);
            if !left.is_empty() {
                let element = |position| layout::element(&namespace, list_key.as_bytes(), position);
                view.scan(&element(left.start), &element(left.end), &mut |_, value| {
                    bytes += value.len();
                    values.push(Bytes::copy_from_slice(value));
                    if values.len() < values_max && bytes < bytes_max {
                        ControlFlow::Continue(())
                    } else {
                        ControlFlow::Break(())
                    }
                })?;
            }
            Ok((left.start + values.len() as i64..left.end, values))
        });
        let (left, values) = read.await?;
        self.left = Some(left);
        Ok(values)
    }
}

impl DiskStore {
    /// The values of a range of a list, page by page.
    pub(crate) fn pages(
        &self,
        namespace: Namespace,
        list_key: Key,
        (start, stop): (i64, i64),
        page_max: PageMax,
    ) -> Values {
        let store = self.clone();
        let reading = Reading { store, namespace, list_key, left: None, start, stop, page_max };
        stream::unfold(Some(reading), async |reading| {
            let mut reading = reading?;
            match reading.next_page().await {
                Ok(values) if values.is_empty() => None,
                Ok(values) => Some((Ok(values), Some(reading))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }
}

impl ListRange for DiskStore {
    fn range(&self, _: &Context, namespace: Namespace, list_key: Key, start: i64, stop: i64) -> Values {
        self.pages(namespace, list_key, (start, stop), PAGE_MAX)
    }

    async fn trim(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        start: i64,
        stop: i64,
    ) -> Result<u64, Error> {
        let (bytes, place) = (list_key.len(), (namespace, list_key));
        self.write(context, false, bytes, move |txn| {
            let mut list = Opened::new(txn, &place)?;
            let len = list.ends.len();
            let kept = indices(start, stop, len);
            (0..kept.start).try_for_each(|_| list.cut(End::Left))?;
            (kept.end..len).try_for_each(|_| list.cut(End::Right))?;
            list.close()
        })
        .await
    }

    async fn clear(&self, context: &Context, namespace: Namespace, list_key: Key) -> Result<u64, Error> {
        let (bytes, place) = (list_key.len(), (namespace, list_key));
        self.write(context, false, bytes, move |txn| {
            clear_leases(txn, &place)?;
            let mut list = Opened::new(txn, &place)?;
            let len = list.ends.len();
            (0..len).try_for_each(|_| list.cut(End::Left))?;
            list.close()?;
            Ok(len)
        })
        .await
    }
}
