//! The slots behind [`Timers`](super::Timers), which holds the lock, and the lists that they make up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio_util::time::{DelayQueue, delay_queue};

use super::BATCH;
use super::chunks::Chunks;
use super::due::due;
use crate::clock::{Clock, Time};
use crate::entry::Entry;
use crate::keys::Keys;
use crate::memory::Full;

/// What a slot takes: itself (32), and its part of what the allocator leaves, which fits 31 chunks of 16 KiB into pages of
/// 512 KiB. Lists and timers are so few that they are not charged.
pub(super) const SLOT_BYTES: u64 = size_of::<Slot>() as u64 * 32 / 31;

/// No slot.
const NONE: u32 = u32::MAX;

/// A stored entry that expires, and where it is stored.
pub(crate) type Expiring = (Arc<Keys>, Entry);

#[derive(Default)]
pub(super) struct Table {
    /// Without gaps: the last slot takes the place of one that is removed.
    slots: Chunks<Slot>,
    /// By the moment that their slots are due.
    lists: BTreeMap<Time, List>,
    /// Lists that the task has to see to.
    changed: BTreeSet<Time>,
}

struct Slot {
    key: Expiring,
    due: Time,
    previous: u32,
    next: u32,
}

struct List {
    first: u32,
    /// Its timer in the task's queue, until that fires.
    timer: Option<delay_queue::Key>,
}

/// For writers. Each says whether the task has to be told.
impl Table {
    pub(super) fn add(&mut self, key: Expiring, due: Time) -> Result<bool, Full> {
        let number = u32::try_from(self.slots.len()).ok().filter(|number| *number != NONE).ok_or(Full)?;
        key.1.set_timer(number);
        self.slots.push(Slot { key, due, previous: NONE, next: NONE });
        Ok(self.link(number, due))
    }

    /// Gives the slot of an entry to the one that takes its place.
    pub(super) fn replace(&mut self, old: &Entry, new: &Entry, due: Time) -> bool {
        let number = old.timer();
        new.set_timer(number);
        let slot = self.slot(number);
        slot.key.1 = new.clone();
        due < slot.due && self.relink(number, due)
    }

    pub(super) fn remove(&mut self, entry: &Entry) -> bool {
        let number = entry.timer();
        let tell = self.unlink(number);
        let last = self.slots.pop().expect("there is a slot to remove");
        let last_number = self.slots.len() as u32;
        if number != last_number {
            last.key.1.set_timer(number);
            match last.previous {
                NONE => self.list(last.due).first = number,
                previous => self.slot(previous).next = number,
            }
            if last.next != NONE {
                self.slot(last.next).previous = number;
            }
            *self.slot(number) = last;
        }
        tell
    }
}

/// For the task.
impl Table {
    pub(super) fn see_to_changed(&mut self, queue: &mut DelayQueue<Time>, clock: &Clock) -> bool {
        for _ in 0..BATCH {
            let Some(due) = self.changed.pop_first() else { return false };
            let list = self.list(due);
            match list.timer {
                None => list.timer = Some(queue.insert_at(due, clock.instant(due))),
                Some(timer) if list.first == NONE => {
                    queue.remove(&timer);
                    self.lists.remove(&due);
                }
                Some(_) => {}
            }
        }
        !self.changed.is_empty()
    }

    /// Looks at a batch of a list, `None` if it is gone: the expired ones, which stay in it until they are freed, while
    /// refreshed ones move on; and whether the task has to be told.
    pub(super) fn fired(&mut self, at: Time, now: Time) -> Option<(Vec<Expiring>, bool)> {
        let list = self.lists.get_mut(&at)?;
        list.timer = None;
        let mut next = list.first;
        if next == NONE {
            self.lists.remove(&at);
            self.changed.remove(&at);
            return None;
        }
        let (mut expired, mut tell) = (Vec::new(), false);
        for _ in 0..BATCH {
            if next == NONE {
                break;
            }
            let (number, slot) = (next, self.slot(next));
            next = slot.next;
            let entry = &slot.key.1;
            if entry.is_live(now) {
                let due = due(entry.deadline(), now);
                tell |= self.relink(number, due);
            } else {
                expired.push(slot.key.clone());
            }
        }
        Some((expired, tell))
    }
}

impl Table {
    pub(super) fn expired(&mut self, end: usize, now: Time) -> Option<(Vec<Expiring>, usize)> {
        let (batch, begin) = self.slots.batch_before(end, BATCH)?;
        let keys = batch.iter().map(|slot| &slot.key);
        Some((keys.filter(|(_, entry)| !entry.is_live(now)).cloned().collect(), begin))
    }

    pub(super) fn timers(&self) -> usize {
        self.lists.len()
    }

    fn relink(&mut self, number: u32, due: Time) -> bool {
        let tell = self.unlink(number);
        self.slot(number).due = due;
        self.link(number, due) || tell
    }

    /// Puts a slot that is in no list first in one.
    fn link(&mut self, number: u32, due: Time) -> bool {
        let mut is_new = false;
        let list = self.lists.entry(due).or_insert_with(|| {
            is_new = true;
            List { first: NONE, timer: None }
        });
        let next = std::mem::replace(&mut list.first, number);
        if next != NONE {
            self.slot(next).previous = number;
        }
        let slot = self.slot(number);
        (slot.previous, slot.next) = (NONE, next);
        is_new && self.change(due)
    }

    /// Takes a slot out of its list.
    fn unlink(&mut self, number: u32) -> bool {
        let Slot { due, previous, next, .. } = *self.slot(number);
        if next != NONE {
            self.slot(next).previous = previous;
        }
        if previous != NONE {
            self.slot(previous).next = next;
            return false;
        }
        let list = self.list(due);
        list.first = next;
        if next != NONE {
            return false;
        }
        if list.timer.is_some() {
            return self.change(due);
        }
        // Either the task does not know of it yet, or it has fired.
        self.lists.remove(&due);
        self.changed.remove(&due);
        false
    }

    /// Notes what the task has to see to; it has been told if there was something before.
    fn change(&mut self, due: Time) -> bool {
        let is_first = self.changed.is_empty();
        self.changed.insert(due);
        is_first
    }

    fn slot(&mut self, number: u32) -> &mut Slot {
        self.slots.get_mut(number as usize).expect("the number is that of a slot in use")
    }

    fn list(&mut self, due: Time) -> &mut List {
        self.lists.get_mut(&due).expect("a list is there while it has slots, or a timer")
    }
}
