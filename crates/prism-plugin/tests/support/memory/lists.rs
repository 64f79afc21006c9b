//! What the reference serves besides pushes and pops: parts of lists, single values, batches, scans.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::stream;
use prism_plugin::keyvalue::{Page, Pages, Range, Start};
use prism_plugin::list::{
    End, Filling, ListBatch, ListIndexing, ListRange, ListScan, Pushed, Values, indices,
};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use super::{Memory, Store};

/// How many values or lists are read at a time.
const PAGE: usize = 5;

impl Memory {
    /// Changes a list, which is there only while it holds a value.
    fn with_list<R>(
        &self,
        namespace: &Namespace,
        key: &Key,
        change: impl FnOnce(&mut VecDeque<Bytes>) -> R,
    ) -> R {
        let place = self.place(namespace, key);
        let mut store = self.store();
        let Store { lists, .. } = &mut *store;
        let list = lists.entry(place.clone()).or_default();
        let changed = change(list);
        if list.is_empty() {
            lists.remove(&place);
        }
        changed
    }

    fn lists_with(&self, namespace: &Namespace, prefix: &str) -> Vec<(Key, u64)> {
        let store = self.store();
        let isolated = !self.breaks_at("lists/scan-sees-its-namespace-only", prefix);
        let lists = store
            .lists
            .iter()
            .filter(|((other, name), _)| (*other == **namespace || !isolated) && name.starts_with(prefix));
        lists.map(|((_, name), list)| (Key::stored(name.clone()), list.len() as u64)).collect()
    }
}

pub(super) fn push(list: &mut VecDeque<Bytes>, end: End, value: Bytes) {
    match end {
        End::Left => list.push_front(value),
        End::Right => list.push_back(value),
    }
}

pub(super) fn pop(list: &mut VecDeque<Bytes>, end: End) -> Option<Bytes> {
    match end {
        End::Left => list.pop_front(),
        End::Right => list.pop_back(),
    }
}

fn index_of(index: i64, len: usize) -> Option<usize> {
    let index = if index < 0 { index + len as i64 } else { index };
    usize::try_from(index).ok().filter(|index| *index < len)
}

impl ListRange for Memory {
    fn range(&self, _: &Context, namespace: Namespace, list_key: Key, start: i64, stop: i64) -> Values {
        let stop = if self.breaks_at("list-range/both-ends-are-included", &list_key) {
            stop.saturating_sub(1)
        } else {
            stop
        };
        let values: Vec<Bytes> = self.with_list(&namespace, &list_key, |list| {
            let mut range = indices(start, stop, list.len() as u64);
            if self.breaks_at("list-range/outside-is-empty", &list_key) && range.is_empty() && start > stop {
                range = 0..list.len() as u64;
            }
            list.range(range.start as usize..range.end as usize).cloned().collect()
        });
        let pages_max =
            if self.breaks_at("list-range/many-values-arrive-whole", &list_key) { 10 } else { usize::MAX };
        let pages: Vec<_> = values.chunks(PAGE).map(|page| Ok(page.to_vec())).take(pages_max).collect();
        Box::pin(stream::iter(pages))
    }

    async fn trim(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        start: i64,
        stop: i64,
    ) -> Result<u64, Error> {
        Ok(self.with_list(&namespace, &list_key, |list| {
            let range = indices(start, stop, list.len() as u64);
            if range.is_empty() && self.breaks_at("list-range/trim-to-nothing-removes-the-list", &list_key) {
                return list.len() as u64;
            }
            list.truncate(range.end as usize);
            if !self.breaks_at("list-range/trim-keeps-the-range", &list_key) {
                list.drain(..range.start as usize);
            }
            list.len() as u64
        }))
    }

    async fn clear(&self, _: &Context, namespace: Namespace, list_key: Key) -> Result<u64, Error> {
        if !self.breaks_at("list-reserve/clear-ends-leases", &list_key) {
            let place = self.place(&namespace, &list_key);
            self.store().leases.retain(|_, lease| lease.place != place);
        }
        Ok(self.with_list(&namespace, &list_key, |list| {
            let removed = list.len() as u64;
            list.clear();
            if self.breaks_at("list-range/clear-removes-the-list", &list_key) { removed + 1 } else { removed }
        }))
    }
}

impl ListIndexing for Memory {
    async fn get_at(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        index: i64,
    ) -> Result<Option<Bytes>, Error> {
        let index = if self.breaks_at("list-indexing/get-at-counts-from-both-ends", &list_key) {
            index.max(0)
        } else {
            index
        };
        Ok(self.with_list(&namespace, &list_key, |list| Some(list[index_of(index, list.len())?].clone())))
    }

    async fn set_at(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        index: i64,
        value: Bytes,
    ) -> Result<bool, Error> {
        Ok(self.with_list(&namespace, &list_key, |list| match index_of(index, list.len()) {
            Some(at) if self.breaks_at("list-indexing/set-at-replaces-one-value", &list_key) => {
                list.insert(at, value);
                true
            }
            Some(at) => {
                list[at] = value;
                true
            }
            None if self.breaks_at("list-indexing/set-at-outside-is-refused", &list_key)
                && !list.is_empty() =>
            {
                list.push_back(value);
                true
            }
            None => false,
        }))
    }

    async fn remove(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        value: Bytes,
        count: i64,
    ) -> Result<u64, Error> {
        let backwards = count < 0 && !self.breaks_at("list-indexing/remove-takes-from-either-end", &list_key);
        Ok(self.with_list(&namespace, &list_key, |list| {
            let mut at: Vec<_> = (0..list.len()).filter(|at| list[*at] == value).collect();
            if backwards {
                at.reverse();
            }
            if count != 0 {
                at.truncate(count.unsigned_abs() as usize);
            }
            at.sort_unstable();
            at.iter().rev().for_each(|at| drop(list.remove(*at)));
            at.len() as u64
        }))
    }
}

impl ListBatch for Memory {
    async fn push_many(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
        mut values: Vec<Bytes>,
        max_len: Option<u64>,
    ) -> Result<Pushed, Error> {
        if self.breaks_at("list-batch/push-many-adds-in-order", &list_key) {
            values.reverse();
        }
        let other = if end == End::Left { End::Right } else { End::Left };
        let other =
            if self.breaks_at("list-batch/max-len-trims-the-other-end", &list_key) { end } else { other };
        Ok(self.with_list(&namespace, &list_key, |list| {
            values.into_iter().for_each(|value| push(list, end, value));
            let over = max_len.map_or(0, |max| (list.len() as u64).saturating_sub(max));
            (0..over).for_each(|_| drop(pop(list, other)));
            Pushed { new_length: list.len() as u64, trimmed: over }
        }))
    }

    async fn pop_many(
        &self,
        _: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
        count: usize,
    ) -> Result<Vec<Bytes>, Error> {
        let count = count + usize::from(self.breaks_at("list-batch/pop-many-takes-up-to-count", &list_key));
        let unbounded = self.breaks_at("list-batch/pop-many-stops-at-the-message-limit", &list_key);
        Ok(self.with_list(&namespace, &list_key, |list| {
            let (mut values, mut filling) = (Vec::new(), Filling::default());
            while values.len() < count {
                let Some(value) = pop(list, end) else { break };
                if !filling.takes(value.len()) && !unbounded {
                    push(list, end, value);
                    break;
                }
                values.push(value);
            }
            values
        }))
    }
}

impl ListScan for Memory {
    fn scan_lists(&self, _: &Context, range: Range) -> Pages<(Key, u64)> {
        let mut lists = self.lists_with(&range.namespace, &range.prefix);
        if let Start::Resume(position) = &range.start {
            lists.retain(|(name, _)| name.as_bytes() > &position[..]);
            let leaves_a_gap = self.breaks_at("lists/resume-leaves-no-gap", &range.prefix)
                || self.breaks_at("transfer/export-goes-on-at-its-tokens", &range.prefix);
            if leaves_a_gap && !lists.is_empty() {
                lists.remove(0);
            }
        }
        lists.truncate(range.limit.unwrap_or(usize::MAX));
        if self.breaks_at("lists/limit-bounds-the-answer", &range.prefix) {
            lists.truncate(2);
        }
        if self.breaks_at("lists/scan-returns-names-and-lengths", &range.prefix) {
            lists.iter_mut().for_each(|(_, length)| *length += 1);
        }
        let page = |page: &[(Key, u64)]| {
            let resume = page.last().map(|(name, _)| Bytes::copy_from_slice(name.as_bytes()));
            Ok(Page { resume, ..page.to_vec().into() })
        };
        let pages: Vec<_> = lists.chunks(PAGE).map(page).collect();
        Box::pin(stream::iter(pages))
    }

    async fn count_lists(&self, _: &Context, namespace: Namespace, prefix: String) -> Result<u64, Error> {
        let extra = u64::from(self.breaks_at("lists/count-is-exact", &prefix));
        Ok(self.lists_with(&namespace, &prefix).len() as u64 + extra)
    }
}
