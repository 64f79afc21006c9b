//! Which namespaces hold anything. A namespace is created by its first write and disappears with its last key or list;
//! reads create none.
//!
//! A writer holds the namespace's slot in the table (a read lock) until its write is done; a namespace is removed under
//! the write lock, and only if it is empty then. So no write goes into a namespace that is being removed.

use std::hash::RandomState;
use std::sync::Arc;

use dashmap::DashMap;

use crate::memory::{Full, Memory, Slots};

/// Shards of a namespace's map. Each takes 128 bytes even if empty, in each of possibly 10,000 namespaces; eight keep
/// the few worker threads from contending.
pub(crate) const MAP_SHARDS: usize = 8;

/// Shards of the table of namespaces; each half of the store has one table.
const TABLE_SHARDS: usize = 64;

/// What a namespace's first key takes besides the key itself (measured: 1,500): its map's shards, 1,024 bytes that
/// alignment makes 1,280, the first buckets of one, the struct, its name and its slot in the table.
const NAMESPACE_BYTES: u64 = 1500;

/// One half's contents of one namespace.
pub(crate) trait Space: Sized {
    fn new(namespace: Arc<str>, hasher: RandomState) -> Self;
    fn slots(&self) -> &Slots;

    fn is_empty(&self) -> bool {
        self.slots().used() == 0
    }
}

pub(crate) struct Namespaces<S> {
    spaces: DashMap<Arc<str>, Arc<S>, RandomState>,
}

impl<S: Space> Namespaces<S> {
    pub(crate) fn new() -> Self {
        Self { spaces: DashMap::with_hasher_and_shard_amount(RandomState::new(), TABLE_SHARDS) }
    }

    /// The result of `read`; `None` if the namespace does not exist.
    pub(crate) fn read<R>(&self, namespace: &str, read: impl FnOnce(&S) -> R) -> Option<R> {
        self.spaces.get(namespace).map(|space| read(&space))
    }

    /// Lets `write` add to the namespace, which is created first if necessary.
    pub(crate) fn write<R>(
        &self,
        namespace: &str,
        memory: &Memory,
        write: impl FnOnce(&Arc<S>) -> Result<R, Full>,
    ) -> Result<R, Full> {
        if let Some(space) = self.spaces.get(namespace) {
            return write(&space);
        }
        let written = {
            let name: Arc<str> = namespace.into();
            let space = self.spaces.entry(name.clone()).or_try_insert_with(|| {
                memory.reserve(NAMESPACE_BYTES)?.keep();
                Ok(Arc::new(S::new(name, self.spaces.hasher().clone())))
            })?;
            write(&space.downgrade())
        };
        if written.is_err() {
            self.remove_empty(namespace, memory);
        }
        written
    }

    /// Lets `remove` remove something, and removes the namespace with its last content.
    pub(crate) fn remove<R>(
        &self,
        namespace: &str,
        memory: &Memory,
        remove: impl FnOnce(&S) -> R,
    ) -> Option<R> {
        let (removed, emptied) = {
            let space = self.spaces.get(namespace)?;
            (remove(&space), space.is_empty())
        };
        if emptied {
            self.remove_empty(namespace, memory);
        }
        Some(removed)
    }

    pub(crate) fn remove_empty(&self, namespace: &str, memory: &Memory) {
        if let Some((_, space)) = self.spaces.remove_if(namespace, |_, space| space.is_empty()) {
            space.slots().close(memory);
            memory.release(NAMESPACE_BYTES);
        }
    }

    pub(crate) fn contains(&self, namespace: &str) -> bool {
        self.spaces.contains_key(namespace)
    }

    pub(crate) fn len(&self) -> usize {
        self.spaces.len()
    }

    /// The number of namespaces that `other` does not have.
    pub(crate) fn count_missing_in<T: Space>(&self, other: &Namespaces<T>) -> usize {
        self.spaces.iter().filter(|space| !other.contains(space.key())).count()
    }

    /// The number of entries in one namespace.
    pub(crate) fn entries_of(&self, namespace: &str) -> usize {
        self.read(namespace, |space| space.slots().used()).unwrap_or_default()
    }

    /// The number of entries in all namespaces.
    pub(crate) fn entries(&self) -> usize {
        self.spaces.iter().map(|space| space.slots().used()).sum()
    }
}
