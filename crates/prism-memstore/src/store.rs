//! The store's public handle, cheap to clone, over what both halves share.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prism_plugin::types::Namespace;
use prism_plugin::usage::{Usage, Used};
use prism_plugin::{Context, Error, ErrorReason};
use tokio::task::yield_now;

use crate::answers::Answers;
use crate::clock::{Clock, Time};
use crate::keys::Keys;
use crate::leases::Leases;
use crate::lists::Lists;
use crate::memory::{Full, Memory};
use crate::namespaces::{Namespaces, Space as _};
use crate::timers::{Expiring, Timers, Walk};
use crate::waiters::Waiters;

/// The minimum time between two searches for expired keys by writers that found the store full: a search visits every
/// deadline, and finds little if the expiry task is running.
const SEARCH_EVERY: Duration = Duration::from_secs(1);

/// The in-memory backend: implements [`KeyValue`](prism_plugin::KeyValue) and [`List`](prism_plugin::List). Clones are
/// handles to the same store.
#[derive(Clone)]
pub struct MemStore {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) memory: Memory,
    pub(crate) keys: Namespaces<Keys>,
    pub(crate) lists: Namespaces<Lists>,
    pub(crate) timers: Timers<Keys>,
    pub(crate) waiters: Waiters,
    pub(crate) leases: Leases,
    pub(crate) answers: Answers,
    /// Whether the one task that frees expired keys has been taken.
    pub(crate) expiry_taken: AtomicBool,
    searched: Mutex<Option<Time>>,
    /// Random, and therefore different for each store: the data is lost with the store.
    pub(crate) epoch: u64,
}

/// What a store holds in all namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Memory in use, in bytes, as the limit counts it.
    pub bytes: u64,
    /// The limit of `bytes`, if there is one.
    pub limit_bytes: Option<u64>,
    /// Keys, including expired ones that are not freed yet.
    pub keys: u64,
    /// Lists.
    pub lists: u64,
    /// Namespaces that hold keys or lists.
    pub namespaces: u64,
    /// Expiry timers; keys that expire at about the same time share one.
    pub timers: u64,
}

impl MemStore {
    /// An empty store that uses at most `memory_limit_bytes`; `None` for no limit.
    ///
    /// At the limit, a write that needs more memory fails with MEMORY_LIMIT, and everything else keeps working. Nothing
    /// is evicted.
    #[must_use]
    pub fn new(memory_limit_bytes: Option<u64>) -> Self {
        let clock = Clock::start();
        Self {
            shared: Arc::new(Shared {
                clock,
                memory: Memory::new(memory_limit_bytes),
                keys: Namespaces::new(),
                lists: Namespaces::new(),
                timers: Timers::new(clock),
                waiters: Waiters::default(),
                leases: Leases::default(),
                answers: Answers::default(),
                expiry_taken: AtomicBool::new(false),
                searched: Mutex::new(None),
                // The system's randomness; a single number needs no generator.
                epoch: RandomState::new().hash_one(()),
            }),
        }
    }

    /// Changes the memory limit; `None` for no limit. A store that holds more keeps it, and refuses writes that need more.
    pub fn set_memory_limit(&self, bytes: Option<u64>) {
        self.shared.memory.set_limit(bytes);
    }

    /// What the store currently holds. Visits every namespace.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let Shared { memory, keys, lists, timers, .. } = &*self.shared;
        Totals {
            bytes: memory.used(),
            limit_bytes: memory.limit(),
            keys: keys.entries() as u64,
            lists: lists.entries() as u64,
            namespaces: (keys.len() + lists.count_missing_in(keys)) as u64,
            timers: timers.len() as u64,
        }
    }

    /// The number of lists that have leases.
    pub(crate) fn lists_with_leases(&self) -> u64 {
        self.shared.leases.lists() as u64
    }

    /// Performs a write, and repeats it if the store was full and expired keys were searched for.
    pub(crate) async fn write<R>(&self, write: impl Fn() -> Result<R, Full>) -> Result<R, Error> {
        let mut written = write();
        if written.is_err() && self.shared.free_expired().await {
            written = write();
        }
        written.map_err(|Full| self.shared.memory_limit())
    }
}

impl Usage for MemStore {
    async fn usage(&self, _: &Context, namespace: Namespace) -> Result<Used, Error> {
        let Shared { memory, keys, lists, .. } = &*self.shared;
        Ok(Used {
            keys: Some(keys.entries_of(&namespace) as u64),
            lists: Some(lists.entries_of(&namespace) as u64),
            backend_bytes: Some(memory.used()),
            backend_bytes_max: memory.limit(),
        })
    }
}

impl Shared {
    /// Frees those of the entries that have expired, and the namespaces that held nothing else.
    pub(crate) fn free(&self, expired: &[Expiring<Keys>]) {
        let now = self.clock.now();
        for (keys, entry) in expired {
            keys.expire(entry.key(), now, &self.memory, &self.timers);
            if keys.is_empty() {
                self.keys.remove_empty(keys.namespace(), &self.memory);
            }
        }
    }

    /// Searches for expired keys and frees them, unless that was done recently; returns whether it searched.
    pub(crate) async fn free_expired(&self) -> bool {
        if !self.search_is_due() {
            return false;
        }
        let mut walk = Walk::start();
        while let Some(expired) = self.timers.expired(&mut walk) {
            self.free(&expired);
            drop(expired);
            yield_now().await;
        }
        true
    }

    fn search_is_due(&self) -> bool {
        let now = self.clock.now();
        let mut searched = self.searched.lock().unwrap_or_else(PoisonError::into_inner);
        let due = searched.is_none_or(|searched| searched.plus(SEARCH_EVERY) <= now);
        if due {
            *searched = Some(now);
        }
        due
    }

    pub(crate) fn memory_limit(&self) -> Error {
        let limit = self.memory.limit().unwrap_or(u64::MAX);
        Error::new(
            ErrorReason::MemoryLimit,
            format!("the store is at its memory limit of {limit} bytes; delete data or raise the limit"),
        )
        .with("limit", limit.to_string())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use prism_plugin::KeyValue as _;
    use prism_plugin::types::{Key, Namespace, Ttl};

    use super::*;

    /// Between the firing of a timer and the freeing of its key, the key may be set again.
    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_set_while_it_is_being_freed_stays() {
        for ttl in [None, Some(Ttl::from_secs(10).unwrap())] {
            let store = MemStore::new(None);
            let context = Context::default();
            let set = |ttl| {
                let key = Key::stored("k".to_owned());
                store.set(
                    &context,
                    Namespace::new(String::new()).unwrap(),
                    key,
                    Bytes::from_static(b"v"),
                    ttl,
                )
            };
            set(Some(Ttl::from_secs(10).unwrap())).await.unwrap();
            tokio::time::advance(Duration::from_secs(10)).await;
            let expired = store.shared.timers.expired(&mut Walk::start()).unwrap();
            assert_eq!(expired.len(), 1);
            set(ttl).await.unwrap();
            store.shared.free(&expired);
            assert_eq!(store.totals().keys, 1);
        }
    }
}
