//! One namespace's lists, each changed under its slot in the map. A drained list returns its memory, and a push or pop
//! costs the same on average: see [`Items`].
//!
//! Their names are also kept in order, for scans. They change under the name's map shard; locks are taken in the order
//! namespace, map shard, names, and never in reverse.

use std::collections::BTreeSet;
use std::hash::RandomState;
use std::mem::size_of;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use dashmap::{DashMap, Entry as Place};
use prism_plugin::list::{End, Filling, Pushed, indices};
use prism_plugin::types::Key;

use crate::index::{CHUNK_KEYS, Cursor};
use crate::items::Items;
use crate::memory::{Full, LIST_INDEX_SLOT_BYTES, Memory, Slots, allocation_bytes};
use crate::namespaces::{MAP_SHARDS, Space};
use crate::value::Value;

/// The number of values of a page at most, and the size at which it ends.
pub(crate) type PageMax = (usize, usize);

/// What a page has by default.
pub(crate) const PAGE_MAX: PageMax = (CHUNK_KEYS, 256 * 1024);

/// One namespace's lists.
pub(crate) struct Lists {
    map: DashMap<Arc<[u8]>, Items, RandomState>,
    names: RwLock<BTreeSet<Arc<[u8]>>>,
    slots: Slots,
}

impl Space for Lists {
    fn new(_: Arc<str>, hasher: RandomState) -> Self {
        Self {
            map: DashMap::with_hasher_and_shard_amount(hasher, MAP_SHARDS),
            names: RwLock::default(),
            slots: Slots::new(size_of::<(Arc<[u8]>, Items)>()),
        }
    }

    fn slots(&self) -> &Slots {
        &self.slots
    }
}

/// What a list takes besides its values: its name, which has two counters, and the name's slot in the index.
fn name_bytes(list_key: &[u8]) -> u64 {
    allocation_bytes(2 * size_of::<usize>() + list_key.len()) + LIST_INDEX_SLOT_BYTES
}

impl Lists {
    pub(crate) fn push(&self, list_key: &Key, end: End, value: &[u8], memory: &Memory) -> Result<u64, Full> {
        let value = value.into();
        self.grow(list_key.as_bytes(), memory, |items| items.push(end, value, memory))
    }

    /// Adds all values or none, at least one, and then removes what is over `max_len` at the other end.
    pub(crate) fn push_many(
        &self,
        list_key: &Key,
        end: End,
        values: &[Bytes],
        max_len: Option<u64>,
        memory: &Memory,
    ) -> Result<Pushed, Full> {
        self.grow(list_key.as_bytes(), memory, |items| {
            for (pushed, value) in values.iter().enumerate() {
                if let Err(full) = items.push(end, (&**value).into(), memory) {
                    (0..pushed).for_each(|_| drop(items.pop(end, memory)));
                    return Err(full);
                }
            }
            let trimmed = max_len.map_or(0, |max_len| items.len().saturating_sub(max_len));
            let other = if end == End::Left { End::Right } else { End::Left };
            (0..trimmed).for_each(|_| drop(items.pop(other, memory)));
            Ok(Pushed { new_length: items.len(), trimmed })
        })
    }

    /// Lets `grow` add to a list, which is created first if necessary. Unless it fails, the list has a value then.
    pub(crate) fn grow<R>(
        &self,
        list_key: &[u8],
        memory: &Memory,
        grow: impl FnOnce(&mut Items) -> Result<R, Full>,
    ) -> Result<R, Full> {
        if let Some(mut items) = self.map.get_mut(list_key) {
            return grow(&mut items);
        }
        let name: Arc<[u8]> = list_key.into();
        match self.map.entry(name.clone()) {
            Place::Occupied(mut place) => grow(place.get_mut()),
            Place::Vacant(place) => {
                let room = memory.reserve(name_bytes(list_key))?;
                self.slots.occupy(memory)?;
                let mut items = Items::default();
                let grown = grow(&mut items).inspect_err(|_| {
                    memory.release(items.capacity_bytes());
                    self.slots.vacate();
                })?;
                self.names.write().unwrap_or_else(PoisonError::into_inner).insert(name);
                place.insert(items);
                room.keep();
                Ok(grown)
            }
        }
    }

    /// Lets `change` remove values of a list, which is gone with its last one. `None` if there is no such list.
    pub(crate) fn shrink<R>(
        &self,
        list_key: &[u8],
        memory: &Memory,
        change: impl FnOnce(&mut Items) -> R,
    ) -> Option<R> {
        let changed = {
            let mut items = self.map.get_mut(list_key)?;
            change(&mut items)
        };
        // Between the change and this, a push may have added a value.
        self.drop_if(list_key, memory, Items::is_empty);
        Some(changed)
    }

    /// Removes a list if `condition` holds for it.
    fn drop_if(&self, list_key: &[u8], memory: &Memory, condition: impl FnOnce(&Items) -> bool) {
        let removed = self.map.remove_if(list_key, |name, items| {
            let remove = condition(items);
            if remove {
                self.names.write().unwrap_or_else(PoisonError::into_inner).remove(name);
            }
            remove
        });
        if let Some((_, items)) = removed {
            self.removed(list_key, &items, memory);
        }
    }

    /// Frees what a list took besides its values.
    fn removed(&self, list_key: &[u8], items: &Items, memory: &Memory) {
        memory.release(name_bytes(list_key) + items.capacity_bytes());
        self.slots.vacate();
        self.slots.tidy(memory, || self.map.shrink_to_fit());
    }

    pub(crate) fn pop(&self, list_key: &[u8], end: End, memory: &Memory) -> Option<Value> {
        self.shrink(list_key, memory, |items| items.pop(end, memory)).flatten()
    }

    /// Pops up to `count` values, and no more than fit into a message.
    pub(crate) fn pop_many(&self, list_key: &[u8], end: End, count: usize, memory: &Memory) -> Vec<Bytes> {
        let pop = |items: &mut Items| {
            let (mut values, mut filling) = (Vec::new(), Filling::default());
            while values.len() < count && items.peek(end).is_some_and(|value| filling.takes(value.len())) {
                values.extend(items.pop(end, memory).map(to_bytes));
            }
            values
        };
        self.shrink(list_key, memory, pop).unwrap_or_default()
    }

    /// Keeps only a range of a list, and returns how many values are left.
    pub(crate) fn trim(&self, list_key: &[u8], start: i64, stop: i64, memory: &Memory) -> u64 {
        let trim = |items: &mut Items| {
            let kept = indices(start, stop, items.len());
            let right = items.len() - kept.end;
            (0..right).for_each(|_| drop(items.pop(End::Right, memory)));
            (0..kept.start).for_each(|_| drop(items.pop(End::Left, memory)));
            items.len()
        };
        self.shrink(list_key, memory, trim).unwrap_or_default()
    }

    /// Removes a list and returns its values. `also` runs in the same step, even if there is no such list.
    pub(crate) fn take(&self, list_key: &[u8], memory: &Memory, also: impl FnOnce()) -> Option<Taken> {
        let items = match self.map.entry(list_key.into()) {
            Place::Vacant(_) => {
                also();
                return None;
            }
            Place::Occupied(place) => {
                also();
                self.names.write().unwrap_or_else(PoisonError::into_inner).remove(list_key);
                place.remove()
            }
        };
        self.removed(list_key, &items, memory);
        Some(Taken::of(items))
    }

    /// Lets a list have these values, at least one, and returns those that it had. `also` runs in the same step. A list that is there stays if
    /// it `keeps` it.
    pub(crate) fn replace(
        &self,
        list_key: &[u8],
        values: Items,
        keeps: bool,
        memory: &Memory,
        also: impl FnOnce(),
    ) -> Result<Option<Taken>, Unplaced> {
        let name: Arc<[u8]> = list_key.into();
        match self.map.entry(name.clone()) {
            Place::Occupied(_) if keeps => Err(Unplaced { values, is_full: false }),
            Place::Occupied(mut place) => {
                also();
                let before = std::mem::replace(place.get_mut(), values);
                drop(place);
                memory.release(before.capacity_bytes());
                Ok(Some(Taken::of(before)))
            }
            Place::Vacant(place) => {
                let full = |values| Unplaced { values, is_full: true };
                let Ok(room) = memory.reserve(name_bytes(list_key)) else { return Err(full(values)) };
                if self.slots.occupy(memory).is_err() {
                    return Err(full(values));
                }
                also();
                self.names.write().unwrap_or_else(PoisonError::into_inner).insert(name);
                place.insert(values);
                room.keep();
                Ok(None)
            }
        }
    }

    /// The result of `read` on a list. Runs under the shard's lock: no waiting, no other list.
    pub(crate) fn read<R>(&self, list_key: &[u8], read: impl FnOnce(&Items) -> R) -> Option<R> {
        self.map.get(list_key).map(|items| read(&items))
    }

    /// Replaces the value at an index, which may be negative; returns whether there is one.
    pub(crate) fn set_at(
        &self,
        list_key: &[u8],
        index: i64,
        value: &[u8],
        memory: &Memory,
    ) -> Result<bool, Full> {
        let Some(mut items) = self.map.get_mut(list_key) else { return Ok(false) };
        match index_from_left(index, items.len()) {
            Some(index) => items.set(index, value.into(), memory),
            None => Ok(false),
        }
    }

    pub(crate) fn length(&self, list_key: &[u8]) -> u64 {
        self.read(list_key, Items::len).unwrap_or_default()
    }

    /// The next names of a walk, of lists that may be gone meanwhile; none at the end.
    pub(crate) fn chunk(&self, cursor: &Cursor, max: usize) -> Vec<Arc<[u8]>> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        names.range::<[u8], _>(cursor.bounds()).take(max.min(CHUNK_KEYS)).cloned().collect()
    }
}

/// The values that a list should have had, which is unchanged.
pub(crate) struct Unplaced {
    pub(crate) values: Items,
    /// Whether there is no room for the list; otherwise there is a list that stays.
    pub(crate) is_full: bool,
}

/// The values of a list that is gone, which are still to be freed: a few at a time, because that may take long.
#[must_use]
pub(crate) struct Taken {
    pub(crate) len: u64,
    values: Box<dyn Iterator<Item = Value> + Send>,
}

impl Taken {
    /// The values of a list whose place is released already.
    pub(crate) fn of(items: Items) -> Self {
        Self { len: items.len(), values: Box::new(items.into_values()) }
    }

    /// Frees up to `max` values, and returns whether there may be more.
    pub(crate) fn free(&mut self, max: usize, memory: &Memory) -> bool {
        let mut freed = 0;
        for value in self.values.by_ref().take(max) {
            memory.release(value.charged_bytes());
            freed += 1;
        }
        freed == max
    }

    /// Frees all values.
    pub(crate) fn free_all(mut self, memory: &Memory) {
        self.free(usize::MAX, memory);
    }
}

/// The next values of a range, from an index on, in front of another: a page of them.
pub(crate) fn page(items: &Items, from: u64, end: u64, (values_max, bytes_max): PageMax) -> Vec<Bytes> {
    let mut bytes = 0;
    let values = (from..end).map_while(|index| items.get(index)).take(values_max);
    let within = values.take_while(|value| {
        let reached = bytes >= bytes_max;
        bytes += value.len();
        !reached
    });
    within.map(|value| Bytes::copy_from_slice(value)).collect()
}

pub(crate) fn to_bytes(value: Value) -> Bytes {
    value.into_bytes().into()
}

/// An index that may count from the right end, as one from the left.
pub(crate) fn index_from_left(index: i64, len: u64) -> Option<u64> {
    match u64::try_from(index) {
        Ok(index) => Some(index).filter(|index| *index < len),
        Err(_) => len.checked_sub(index.unsigned_abs()),
    }
}
