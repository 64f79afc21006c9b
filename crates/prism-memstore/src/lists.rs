//! One namespace's lists, each changed under its slot in the map. A drained list returns its memory, and a push or pop
//! costs the same on average: see [`Items`].

use std::hash::RandomState;
use std::mem::size_of;
use std::sync::Arc;

use bytes::Bytes;
use dashmap::{DashMap, Entry as Place};
use prism_plugin::list::End;
use prism_plugin::types::Key;

use crate::items::Items;
use crate::memory::{Full, Memory, Slots, allocation_bytes};
use crate::namespaces::{MAP_SHARDS, Space};

/// One namespace's lists.
pub(crate) struct Lists {
    map: DashMap<Box<[u8]>, Items, RandomState>,
    slots: Slots,
}

impl Space for Lists {
    fn new(_: Arc<str>, hasher: RandomState) -> Self {
        Self {
            map: DashMap::with_hasher_and_shard_amount(hasher, MAP_SHARDS),
            slots: Slots::new(size_of::<(Box<[u8]>, Items)>()),
        }
    }

    fn slots(&self) -> &Slots {
        &self.slots
    }
}

impl Lists {
    pub(crate) fn push(&self, list_key: &Key, end: End, value: &[u8], memory: &Memory) -> Result<u64, Full> {
        let list_key = list_key.as_bytes();
        let value: Box<[u8]> = value.into();
        if let Some(mut items) = self.map.get_mut(list_key) {
            return items.push(end, value, memory);
        }
        match self.map.entry(list_key.into()) {
            Place::Occupied(mut place) => place.get_mut().push(end, value, memory),
            Place::Vacant(place) => {
                let room = memory.reserve(allocation_bytes(list_key.len()))?;
                self.slots.occupy(memory)?;
                let mut items = Items::default();
                let length = items.push(end, value, memory).inspect_err(|_| self.slots.vacate())?;
                place.insert(items);
                room.keep();
                Ok(length)
            }
        }
    }

    pub(crate) fn pop(&self, list_key: &[u8], end: End, memory: &Memory) -> Option<Bytes> {
        let value = self.map.get_mut(list_key)?.pop(end, memory);
        // Between the pop and this, another push may have added a value.
        let emptied = self.map.remove_if(list_key, |_, items| items.is_empty());
        if let Some((list_key, items)) = emptied {
            memory.release(allocation_bytes(list_key.len()) + items.capacity_bytes());
            self.slots.vacate();
            self.slots.tidy(memory, || self.map.shrink_to_fit());
        }
        value.map(Bytes::from)
    }

    pub(crate) fn length(&self, list_key: &[u8]) -> u64 {
        self.map.get(list_key).map_or(0, |items| items.len())
    }
}
