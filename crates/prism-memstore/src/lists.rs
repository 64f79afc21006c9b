//! One namespace's lists: one `VecDeque` a list, changed under its place in the map.
//!
//! A list grows by half and is shrunk once three quarters of it are unused, so that a drained list gives its memory
//! back, and a push or pop costs the same on average.

use std::collections::VecDeque;
use std::hash::RandomState;
use std::mem::size_of;
use std::sync::Arc;

use bytes::Bytes;
use dashmap::{DashMap, Entry as Place};
use prism_plugin::list::End;
use prism_plugin::types::Key;

use crate::memory::{Full, Memory, Slots, allocation_bytes};
use crate::namespaces::{MAP_SHARDS, Space};

/// The smallest capacity of a list, and the largest that is never shrunk.
const CAPACITY_MIN: usize = 4;

/// One namespace's lists.
pub(crate) struct Lists {
    map: DashMap<Box<[u8]>, Items, RandomState>,
    slots: Slots,
}

#[derive(Default)]
struct Items(VecDeque<Box<[u8]>>);

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
        // Between the pop and this another push may have filled the list again.
        let emptied = self.map.remove_if(list_key, |_, items| items.0.is_empty());
        if let Some((list_key, items)) = emptied {
            memory.release(allocation_bytes(list_key.len()) + items.capacity_bytes());
            self.slots.vacate();
            self.slots.tidy(memory, || self.map.shrink_to_fit());
        }
        value.map(Bytes::from)
    }

    pub(crate) fn length(&self, list_key: &[u8]) -> u64 {
        self.map.get(list_key).map_or(0, |items| items.0.len() as u64)
    }
}

impl Items {
    fn push(&mut self, end: End, value: Box<[u8]>, memory: &Memory) -> Result<u64, Full> {
        let growth = self.growth();
        let room = memory.reserve(allocation_bytes(value.len()) + bytes_of(growth))?;
        if growth > 0 {
            self.0.reserve_exact(growth);
        }
        match end {
            End::Left => self.0.push_front(value),
            End::Right => self.0.push_back(value),
        }
        room.keep();
        Ok(self.0.len() as u64)
    }

    fn pop(&mut self, end: End, memory: &Memory) -> Option<Box<[u8]>> {
        let value = match end {
            End::Left => self.0.pop_front(),
            End::Right => self.0.pop_back(),
        }?;
        memory.release(allocation_bytes(value.len()));
        let before = self.0.capacity();
        if before > CAPACITY_MIN && self.0.len() < before / 4 {
            self.0.shrink_to(before / 2);
            memory.release(bytes_of(before - self.0.capacity()));
        }
        Some(value)
    }

    /// By how many places the next push makes it larger.
    fn growth(&self) -> usize {
        let capacity = self.0.capacity();
        if self.0.len() < capacity { 0 } else { (capacity / 2).max(CAPACITY_MIN) }
    }

    fn capacity_bytes(&self) -> u64 {
        bytes_of(self.0.capacity())
    }
}

fn bytes_of(capacity: usize) -> u64 {
    (capacity * size_of::<Box<[u8]>>()) as u64
}
