//! The slots behind [`Timers`](super::Timers), which holds the lock: how they enter lists, move on and leave.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio_util::time::DelayQueue;

use super::due::due;
use super::lists::{Expiring, Lists, Timer};
use crate::clock::{Clock, Time};
use crate::entry::{Entry, Position};
use crate::memory::Full;

/// What a slot takes: itself (16), and an eighth for its list's room to grow and for the allocator's waste. In a long
/// list that is 32/31, because 31 chunks of 16 KiB fit into pages of 512 KiB. A list of less than a chunk grows by a
/// quarter to an eighth, so half of that is unused on average. Lists and timers are too few to be charged.
pub(super) const SLOT_BYTES: u64 = size_of::<Expiring<()>>() as u64 * 9 / 8;

/// The maximum number of slots or lists processed at a time, for the same reason as in a scan.
pub(super) const BATCH: usize = 256;

/// As many lists as two bytes can number.
const LISTS_MAX: usize = 1 << 16;

/// Writers leave half of the numbers to the task. While it runs there are few lists beyond the 10,240 that are ahead
/// (see [`due()`]); so writers reach this limit only if it does not run or started late, and then it has room to move
/// keys on.
const LISTS_OF_WRITERS_MAX: usize = LISTS_MAX / 2;

pub(super) struct Table<S> {
    lists: Lists<S>,
    /// Lists that the task has to process.
    changed: BTreeSet<Time>,
    /// The number of slots, kept low enough that an index in any list fits into four bytes.
    slots: u32,
}

/// The position of a walk over all slots. It visits the lists by due time, and each list backwards, so that it misses
/// no slot when keys are freed meanwhile: a list's last slot, which fills the gap, has been visited.
pub(crate) struct Walk {
    due: Time,
    end: usize,
}

impl Walk {
    pub(crate) fn start() -> Self {
        Self::at(Time::START)
    }

    fn at(due: Time) -> Self {
        Self { due, end: usize::MAX }
    }
}

/// For writers.
impl<S> Default for Table<S> {
    fn default() -> Self {
        Self { lists: Lists::default(), changed: BTreeSet::new(), slots: 0 }
    }
}

impl<S> Table<S> {
    pub(super) fn add(&mut self, key: Expiring<S>, due: Time) -> Result<(), Full> {
        self.slots = self.slots.checked_add(1).ok_or(Full)?;
        self.put(key, due, LISTS_OF_WRITERS_MAX);
        Ok(())
    }

    /// Gives the slot of an entry to the one that replaces it.
    pub(super) fn replace(&mut self, old: &Entry, new: &Entry, due: Time) {
        let position = old.position();
        new.set_position(position);
        self.slot(position).1 = new.clone();
        if due < self.lists.get_mut(position.list).due {
            let key = self.take(position);
            self.put(key, due, LISTS_OF_WRITERS_MAX);
        }
    }

    pub(super) fn remove(&mut self, entry: &Entry) {
        self.take(entry.position());
        self.slots -= 1;
    }
}

/// For the task.
impl<S> Table<S> {
    /// Whether the task has something to process.
    pub(super) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    pub(super) fn see_to_changed(&mut self, queue: &mut DelayQueue<Time>, clock: &Clock) -> bool {
        for _ in 0..BATCH {
            let Some(due) = self.changed.pop_first() else { return false };
            let number = self.lists.number(due).expect("a list is there while it has slots, or a timer");
            let list = self.lists.get_mut(number);
            match list.timer {
                Timer::Untold | Timer::Fired => {
                    list.timer = Timer::Armed(queue.insert_at(due, clock.instant(due)));
                }
                Timer::Armed(timer) if list.slots.is_empty() => {
                    queue.remove(&timer);
                    self.lists.remove(number);
                }
                Timer::Armed(_) => {}
            }
        }
        self.has_changed()
    }

    /// Checks a batch of a list, `None` if it is gone: returns the expired slots, which stay until they are freed, and
    /// moves refreshed ones on. A key that is set again before it is freed has a live entry at the next check.
    pub(super) fn fired(&mut self, at: Time, now: Time) -> Option<Vec<Expiring<S>>> {
        let number = self.lists.number(at)?;
        let list = self.lists.get_mut(number);
        list.timer = Timer::Fired;
        let end = list.slots.len();
        if list.slots.is_empty() {
            self.forget(number);
            return None;
        }
        let mut expired = Vec::new();
        // Backwards: the last slot, which fills the gap of one that moves on, has been checked.
        for index in (end.saturating_sub(BATCH)..end).rev() {
            let position = Position { list: number, index: index as u32 };
            let key = self.slot(position);
            if key.1.is_live(now) {
                let due = due(key.1.deadline(), now);
                let key = self.take(position);
                self.put(key, due, LISTS_MAX);
            } else {
                expired.push(key.clone());
            }
        }
        Some(expired)
    }
}

impl<S> Table<S> {
    pub(super) fn expired(&self, walk: &mut Walk, now: Time) -> Option<Vec<Expiring<S>>> {
        let list = self.lists.first_from(walk.due)?;
        let end = if list.due == walk.due { walk.end } else { usize::MAX };
        let (batch, begin) = list.slots.batch_before(end, BATCH).unwrap_or_default();
        *walk = match begin {
            0 => Walk::at(list.due.plus(Duration::from_nanos(1))),
            _ => Walk { due: list.due, end: begin },
        };
        Some(batch.iter().filter(|(_, entry)| !entry.is_live(now)).cloned().collect())
    }

    pub(super) fn timers(&self) -> usize {
        self.lists.len()
    }

    /// Adds a slot to the list of a moment, creating it if necessary. Once there are `lists_max`, an earlier list is
    /// used: the key is checked early and moves on then. Most of those lists are in the past, so an earlier one exists.
    fn put(&mut self, key: Expiring<S>, due: Time, lists_max: usize) {
        let joined = if self.lists.len() < lists_max { None } else { self.lists.number_by(due) };
        let number = joined.or_else(|| self.lists.number(due)).unwrap_or_else(|| {
            self.changed.insert(due);
            self.lists.make(due)
        });
        let slots = &mut self.lists.get_mut(number).slots;
        key.1.set_position(Position { list: number, index: slots.len() as u32 });
        slots.push(key);
    }

    fn slot(&mut self, position: Position) -> &mut Expiring<S> {
        let slots = &mut self.lists.get_mut(position.list).slots;
        slots.get_mut(position.index as usize).expect("the position is that of a slot in use")
    }

    fn take(&mut self, position: Position) -> Expiring<S> {
        let list = self.lists.get_mut(position.list);
        let last = list.slots.pop().expect("there is a slot to take");
        let (due, is_empty) = (list.due, list.slots.is_empty());
        let is_armed = matches!(list.timer, Timer::Armed(_));
        let key = if list.slots.len() == position.index as usize {
            last
        } else {
            last.1.set_position(position);
            std::mem::replace(self.slot(position), last)
        };
        if is_empty && is_armed {
            self.changed.insert(due);
        } else if is_empty {
            self.forget(position.list);
        }
        key
    }

    /// Removes a list without slots whose timer is not armed.
    fn forget(&mut self, number: u16) {
        let due = self.lists.remove(number);
        self.changed.remove(&due);
    }
}

#[cfg(test)]
mod tests;
