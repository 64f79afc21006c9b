//! When keys that expire are freed.
//!
//! Every key with a deadline has a slot here, in the list of the keys that are checked together; only the list has a
//! timer in the expiry task's queue. The key's entry records its slot. A timer therefore costs nothing beyond what
//! shares it, and there are at most some ten thousand of them, however many keys expire (see [`due()`]).
//!
//! ```text
//!         first slot            task             timer fires          expired keys are freed, refreshed ones move to
//!  none ─────────────▶ untold ───────▶ armed ──────────────▶ fired ──▶ later lists, and the list is gone
//!   ▲                     │              │
//!   └──── last slot gone ─┘              └── last slot gone ── task ──▶ none
//! ```
//!
//! A Set that postpones a deadline only changes the slot's entry: it stays in its list, and moves on when the timer
//! fires. A Set that brings the deadline forward moves the slot at once. So there are never more slots than keys that
//! expire, nor more timers than that, however often keys are set, refreshed and deleted; what the task needs to know is
//! a set of lists, so that is bounded, too.

mod chunks;
mod due;
mod lists;
mod table;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::time::DelayQueue;

use crate::clock::{Clock, Time};
use crate::entry::Entry;
use crate::memory::{Full, Memory};
use due::due;
pub(crate) use lists::Expiring;
pub(crate) use table::Walk;
use table::{SLOT_BYTES, Table};

/// The timers of entries that are stored in any number of `S`.
pub(crate) struct Timers<S> {
    clock: Clock,
    table: Mutex<Table<S>>,
    told: Notify,
}

impl<S> Timers<S> {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, table: Mutex::default(), told: Notify::new() }
    }

    /// No caller's code runs under the lock, so nothing panics there unless the lists are already inconsistent.
    fn lock(&self) -> MutexGuard<'_, Table<S>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the table, and notifies the task if that gives it its first work: with earlier work pending, it has been
    /// notified already.
    fn change<R>(&self, change: impl FnOnce(&mut Table<S>) -> R) -> R {
        let mut table = self.lock();
        let was_told = table.has_changed();
        let changed = change(&mut table);
        if !was_told && table.has_changed() {
            self.told.notify_one();
        }
        changed
    }
}

/// For writers, under the key's map shard.
impl<S> Timers<S> {
    /// `new` replaces `old` among the stored entries.
    pub(crate) fn follow(
        &self,
        keys: &Arc<S>,
        old: Option<&Entry>,
        new: &Entry,
        memory: &Memory,
    ) -> Result<(), Full> {
        let old = old.filter(|entry| entry.expires());
        if !new.expires() {
            old.into_iter().for_each(|old| self.release(old, memory));
            return Ok(());
        }
        let due = due(new.deadline(), self.clock.now());
        match old {
            Some(old) => self.change(|table| table.replace(old, new, due)),
            None => {
                let room = memory.reserve(SLOT_BYTES)?;
                self.change(|table| table.add((keys.clone(), new.clone()), due))?;
                room.keep();
            }
        }
        Ok(())
    }

    /// `entry` is no longer stored.
    pub(crate) fn release(&self, entry: &Entry, memory: &Memory) {
        if entry.expires() {
            self.change(|table| table.remove(entry));
            memory.release(SLOT_BYTES);
        }
    }
}

/// For the expiry task, which owns the queue.
impl<S> Timers<S> {
    /// Waits until there is something to [process](Self::see_to_changed).
    pub(crate) async fn told(&self) {
        self.told.notified().await;
    }

    /// Arms the timers of new lists and disarms those of removed lists, one batch; returns whether there are more.
    pub(crate) fn see_to_changed(&self, queue: &mut DelayQueue<Time>) -> bool {
        self.lock().see_to_changed(queue, &self.clock)
    }

    /// Checks a batch of a list whose timer fired: refreshed keys move on, and expired ones are returned, to be freed.
    /// `None` when the list is gone; until then there is more.
    pub(crate) fn fired(&self, due: Time) -> Option<Vec<Expiring<S>>> {
        let now = self.clock.now();
        self.change(|table| table.fired(due, now))
    }
}

impl<S> Timers<S> {
    /// The expired keys among the next batch of a walk over all slots; `None` at the end.
    pub(crate) fn expired(&self, walk: &mut Walk) -> Option<Vec<Expiring<S>>> {
        self.lock().expired(walk, self.clock.now())
    }

    /// The number of timers.
    pub(crate) fn len(&self) -> usize {
        self.lock().timers()
    }
}
