//! Changes that depend on what is stored, as one atomic step.
//!
//! The new entry is made outside of all locks, from the entry that was read, and stored only if that one still stands: entries are
//! immutable, so it is the same allocation. Otherwise somebody else has changed the key, and the step begins again; each round that
//! is lost is one that another writer has won.

use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use crate::entry::Entry;
use crate::keys::is_live;
use crate::store::MemStore;

/// What a step does to its key.
pub(super) enum Change {
    Keep,
    Put(Entry),
    Remove,
}

impl MemStore {
    /// Changes a key as `decide` says, which is given the live entry. If the answer is to be kept, there is room for it before anything
    /// is stored; a value that is removed makes some.
    pub(super) async fn change<R: Send + Sync + 'static>(
        &self,
        context: &Context,
        namespace: &Namespace,
        key: &Key,
        decide: impl Fn(Option<&Entry>) -> Result<(Change, R), Error>,
    ) -> Result<R, Error> {
        let shared = &*self.shared;
        loop {
            let stored = shared.keys.read(namespace, |keys| keys.read(key, Entry::clone)).flatten();
            let live = stored.as_ref().filter(|entry| is_live(entry, || shared.clock.now()));
            let (change, result) = decide(live)?;
            let _room = match change {
                Change::Remove => None,
                _ => self.write(|| shared.room_for_answer(context, &result)).await?,
            };
            let is_done = match change {
                Change::Keep => true,
                Change::Put(entry) => self.put_in_place_of(namespace, stored.as_ref(), &entry).await?,
                Change::Remove => {
                    let still_stands = |entry: &Entry| stored.as_ref().is_some_and(|stored| stored.is(entry));
                    let removed = shared.keys.remove(namespace, &shared.memory, |keys| {
                        keys.remove_if(key.as_bytes(), still_stands, &shared.memory, &shared.timers)
                    });
                    removed.flatten().is_some()
                }
            };
            if is_done {
                return Ok(result);
            }
        }
    }

    /// Stores an entry if what was read still stands, and returns whether it did.
    async fn put_in_place_of(
        &self,
        namespace: &Namespace,
        stored: Option<&Entry>,
        entry: &Entry,
    ) -> Result<bool, Error> {
        let shared = &*self.shared;
        let still_stands = |found: Option<&Entry>| match (found, stored) {
            (Some(found), Some(stored)) => found.is(stored),
            (found, stored) => found.is_none() && stored.is_none(),
        };
        let put = self.write(|| {
            shared.keys.write(namespace, &shared.memory, |keys| {
                keys.put_if(entry.clone(), still_stands, &shared.memory, &shared.timers)
            })
        });
        let put = put.await?;
        if !put {
            // Its key was removed meanwhile, and the namespace may have been created for nothing.
            shared.keys.remove_empty(namespace, &shared.memory);
        }
        Ok(put)
    }
}
