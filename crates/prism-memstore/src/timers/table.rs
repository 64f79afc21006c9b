//! The slots behind [`Timers`](super::Timers), which holds the lock.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::time::{DelayQueue, delay_queue};

use super::BATCH;
use super::chunks::Chunks;
use crate::clock::{Clock, Time};
use crate::entry::Entry;
use crate::keys::Keys;
use crate::memory::{Full, Memory};

/// What a slot takes: itself (48); its timer in the queue (48), whose storage doubles, so that the outgrown buffers the
/// allocator still has add up to the buffer in use (× 2); its number in the lists of told and free ones (8).
pub(super) const SLOT_BYTES: u64 = 48 + 96 + 8;

/// A table smaller than this is not worth waking the task to shrink it.
const SHRINK_MIN: usize = 1024;

/// The farthest ahead that a timer is armed; a later deadline is armed again when it fires. `DelayQueue` panics
/// beyond 2^36 ms (795 days) counted from the last time it fired, which can itself lie this far back.
const ARM_AHEAD_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A stored entry that expires, and where it is stored.
pub(crate) type Expiring = (Arc<Keys>, Entry);

#[derive(Default)]
pub(super) struct Table {
    slots: Chunks<Slot>,
    /// Slots without a key. Numbers of slots that are gone or in use again are skipped.
    free: Vec<u32>,
    /// Slots marked [`Slot::told`]. Numbers of others are skipped.
    told: Vec<u32>,
    used: usize,
}

#[derive(Default)]
struct Slot {
    key: Option<Expiring>,
    armed: Option<Armed>,
    /// The task will see to the slot.
    told: bool,
}

struct Armed {
    at: Time,
    timer: delay_queue::Key,
}

/// For writers.
impl Table {
    pub(super) fn take(&mut self, memory: &Memory) -> Result<u32, Full> {
        let number = match self.pop_free() {
            Some(number) => number,
            None => {
                memory.reserve(SLOT_BYTES)?.keep();
                self.slots.push(Slot::default());
                u32::try_from(self.slots.len() - 1).expect("a queue has at most 2^30 timers")
            }
        };
        self.used += 1;
        Ok(number)
    }

    /// Gives a taken slot to an entry. Whether the task has to be woken.
    pub(super) fn assign(&mut self, number: u32, keys: &Arc<Keys>, entry: &Entry) -> bool {
        entry.set_timer(number);
        let slot = self.slot(number);
        slot.key = Some((keys.clone(), entry.clone()));
        let armed_in_time = slot.armed.as_ref().is_some_and(|armed| armed.at <= entry.deadline());
        if armed_in_time || slot.told {
            return false;
        }
        slot.told = true;
        self.told.push(number);
        self.told.len() == 1
    }

    /// Takes a slot back. Whether the task has to be woken, to shrink the table.
    pub(super) fn release(&mut self, number: u32) -> bool {
        self.slot(number).key = None;
        self.free.push(number);
        let was_sparse = self.is_sparse();
        self.used -= 1;
        self.is_sparse() && !was_sparse
    }

    fn pop_free(&mut self) -> Option<u32> {
        while let Some(number) = self.free.pop() {
            if self.slots.get_mut(number as usize).is_some_and(|slot| slot.key.is_none()) {
                return Some(number);
            }
        }
        None
    }
}

/// For the task.
impl Table {
    pub(super) fn arm_told(&mut self, queue: &mut DelayQueue<u32>, clock: &Clock) -> bool {
        let rest = self.told.len().saturating_sub(BATCH);
        for number in self.told.split_off(rest) {
            if let Some(slot) = self.slots.get_mut(number as usize)
                && mem::take(&mut slot.told)
            {
                slot.arm(number, queue, clock);
            }
        }
        rest > 0
    }

    pub(super) fn fired(
        &mut self,
        numbers: &[u32],
        queue: &mut DelayQueue<u32>,
        clock: &Clock,
    ) -> Vec<Expiring> {
        let now = clock.now();
        let mut expired = Vec::new();
        for &number in numbers {
            let slot = self.slot(number);
            slot.armed = None;
            match &slot.key {
                Some((_, entry)) if entry.is_live(now) => slot.arm(number, queue, clock),
                Some(key) => expired.push(key.clone()),
                None => {}
            }
        }
        expired
    }

    /// Whether the task, which is awake, should shrink the table.
    pub(super) fn is_worth_shrinking(&self) -> bool {
        self.is_sparse() || self.used == 0 && self.slots.len() > 0
    }

    /// Whether the table should shrink even if the task has to be woken for it.
    fn is_sparse(&self) -> bool {
        self.slots.len() >= SHRINK_MIN && self.used < self.slots.len() / 4
    }

    /// How many slots of a batch were removed, and whether there are more free ones.
    pub(super) fn shrink(&mut self) -> (usize, bool) {
        for removed in 0..BATCH {
            if self.used == self.slots.len() {
                self.free = Vec::new();
                self.told.shrink_to_fit();
                self.slots.shrink_to_fit();
                return (removed, false);
            }
            self.remove_last();
        }
        (BATCH, true)
    }

    /// Removes the last slot, a free one's place taken by what it held. There is a free slot.
    fn remove_last(&mut self) {
        let last = self.slots.pop().expect("there is a free slot");
        let Some((_, entry)) = &last.key else { return };
        let number = self.pop_free().expect("there is a free slot, and it was not the last");
        entry.set_timer(number);
        if last.told {
            self.told.push(number);
        }
        *self.slot(number) = last;
    }

    pub(super) fn fill(&mut self, queue: &mut DelayQueue<u32>, from: usize, clock: &Clock) -> Option<usize> {
        let chunk = self.slots.chunk_mut(from);
        for (slot, number) in chunk.iter_mut().zip(from as u32..) {
            if let Some(armed) = &mut slot.armed {
                armed.timer = queue.insert_at(number, clock.instant(armed.at));
            }
        }
        (!chunk.is_empty()).then(|| from + chunk.len())
    }
}

impl Table {
    pub(super) fn expired(&mut self, from: usize, now: Time) -> Option<(Vec<Expiring>, usize)> {
        let chunk = self.slots.chunk_mut(from);
        let keys = chunk.iter().filter_map(|slot| slot.key.as_ref());
        let expired = keys.filter(|(_, entry)| !entry.is_live(now)).cloned().collect();
        (!chunk.is_empty()).then(|| (expired, from + chunk.len()))
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    fn slot(&mut self, number: u32) -> &mut Slot {
        self.slots.get_mut(number as usize).expect("a slot in use is not removed")
    }
}

impl Slot {
    /// Sees to a timer that fires in time for the key, if there is one.
    fn arm(&mut self, number: u32, queue: &mut DelayQueue<u32>, clock: &Clock) {
        let Some((_, entry)) = &self.key else { return };
        let at = entry.deadline().min(clock.now().plus(ARM_AHEAD_MAX));
        match &mut self.armed {
            Some(armed) if armed.at <= at => {}
            Some(armed) => {
                queue.reset_at(&armed.timer, clock.instant(at));
                armed.at = at;
            }
            None => self.armed = Some(Armed { at, timer: queue.insert_at(number, clock.instant(at)) }),
        }
    }
}
