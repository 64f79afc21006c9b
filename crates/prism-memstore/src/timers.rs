//! Which keys expire, and which of them the expiry task still has to hear about.
//!
//! Every key with a deadline has a slot here, and a slot has at most one timer in the task's queue:
//!
//! ```text
//!          Set                 task                    timer fires early: later deadline
//!  free ────────▶ told ──────────────────▶ armed ◀──────────────────────────────────────┐
//!   ▲                ◀── Set with an earlier ──┘ │                                      │
//!   │                    deadline than armed     └── timer fires ──▶ expired? ── no ────┘
//!   └──────────── Delete, Set without a deadline, expiry ◀── yes ────────┘
//! ```
//!
//! A Set that moves a deadline back only changes the slot: the timer fires early and is armed again. A freed slot
//! keeps its timer, and the next key to take the slot inherits it. So there are never more timers than keys that
//! expired side by side, however often they are set, refreshed and deleted, and whether or not the task runs; what
//! the task has to be told is a mark on a slot, so that queue is bounded too.

mod chunks;
mod table;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::time::DelayQueue;

use crate::clock::{Clock, Time};
use crate::entry::Entry;
use crate::keys::Keys;
use crate::memory::{Full, Memory};
pub(crate) use table::Expiring;
use table::{SLOT_BYTES, Table};

/// The most slots or keys handled in one go, for the same reason as in a scan.
pub(crate) const BATCH: usize = 256;

#[derive(Default)]
pub(crate) struct Timers {
    table: Mutex<Table>,
    told: Notify,
}

/// For writers, under the key's map shard.
impl Timers {
    /// `new` takes the place of `old` among the stored entries.
    pub(crate) fn follow(
        &self,
        keys: &Arc<Keys>,
        old: Option<&Entry>,
        new: &Entry,
        memory: &Memory,
    ) -> Result<(), Full> {
        let old = old.filter(|entry| entry.expires());
        match old {
            Some(old) if !new.expires() => self.release(old),
            _ if !new.expires() => {}
            _ => {
                let mut table = self.lock();
                let number = match old {
                    Some(old) => old.timer(),
                    None => table.take(memory)?,
                };
                let first = table.assign(number, keys, new);
                drop(table);
                if first {
                    self.told.notify_one();
                }
            }
        }
        Ok(())
    }

    /// `entry` is stored no longer.
    pub(crate) fn release(&self, entry: &Entry) {
        if entry.expires() && self.lock().release(entry.timer()) {
            self.told.notify_one();
        }
    }
}

/// For the expiry task, which owns the queue.
impl Timers {
    /// Waits until a writer had something to tell.
    pub(crate) async fn told(&self) {
        self.told.notified().await;
    }

    /// Arms timers for slots that writers marked, and says whether there are more.
    pub(crate) fn arm_told(&self, queue: &mut DelayQueue<u32>, clock: &Clock) -> bool {
        self.lock().arm_told(queue, clock)
    }

    /// Takes note that timers fired. Returns the keys that are expired; the others are armed again.
    pub(crate) fn fired(&self, numbers: &[u32], queue: &mut DelayQueue<u32>, clock: &Clock) -> Vec<Expiring> {
        self.lock().fired(numbers, queue, clock)
    }

    /// Whether most of the table is unused.
    pub(crate) fn is_worth_shrinking(&self) -> bool {
        self.lock().is_worth_shrinking()
    }

    /// Moves slots from the end of the table into free ones, a batch at a time; `false` when there are none left.
    /// Their timers still go by the old numbers: the queue has to be [filled](Self::fill) anew.
    pub(crate) fn shrink(&self, memory: &Memory) -> bool {
        let (removed, more) = self.lock().shrink();
        memory.release(removed as u64 * SLOT_BYTES);
        more
    }

    /// Puts the timers of a batch of slots into a new queue; `None` at the end, else where to go on.
    pub(crate) fn fill(&self, queue: &mut DelayQueue<u32>, from: usize, clock: &Clock) -> Option<usize> {
        self.lock().fill(queue, from, clock)
    }
}

impl Timers {
    /// The expired keys among a batch of slots, and where to go on; `None` at the end.
    pub(crate) fn expired(&self, from: usize, now: Time) -> Option<(Vec<Expiring>, usize)> {
        self.lock().expired(from, now)
    }

    /// The number of slots, and so the most timers there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// A panic under the lock leaves at worst a timer that fires for nothing.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
