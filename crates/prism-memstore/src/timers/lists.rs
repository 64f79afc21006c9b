//! The lists that slots form, by number and by due time.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::time::delay_queue;

use super::chunks::Chunks;
use crate::clock::Time;
use crate::entry::Entry;

/// The content of a slot: a stored entry that expires, and where it is stored.
pub(crate) type Expiring<S> = (Arc<S>, Entry);

pub(super) struct List<S> {
    pub(super) due: Time,
    /// Without gaps: when a slot is removed, the last one takes its position.
    pub(super) slots: Chunks<Expiring<S>>,
    pub(super) timer: Timer,
}

/// The state of a list's timer.
pub(super) enum Timer {
    /// The task does not know of the list yet.
    Untold,
    /// It is in the task's queue.
    Armed(delay_queue::Key),
    /// The task checks the list, batch by batch, until it is gone.
    Fired,
}

/// Entries hold the number of their list, which never changes and fits into two bytes.
pub(super) struct Lists<S> {
    /// A removed list leaves one without slots.
    numbered: Vec<List<S>>,
    free: Vec<u16>,
    by_due: BTreeMap<Time, u16>,
}

impl<S> Default for Lists<S> {
    fn default() -> Self {
        Self { numbered: Vec::new(), free: Vec::new(), by_due: BTreeMap::new() }
    }
}

impl<S> Lists<S> {
    pub(super) fn len(&self) -> usize {
        self.by_due.len()
    }

    pub(super) fn get_mut(&mut self, number: u16) -> &mut List<S> {
        &mut self.numbered[usize::from(number)]
    }

    pub(super) fn number(&self, due: Time) -> Option<u16> {
        self.by_due.get(&due).copied()
    }

    /// The latest list that is due by `due`.
    pub(super) fn number_by(&self, due: Time) -> Option<u16> {
        self.by_due.range(..=due).next_back().map(|(_, number)| *number)
    }

    /// The earliest list that is not due before `due`.
    pub(super) fn first_from(&self, due: Time) -> Option<&List<S>> {
        self.by_due.range(due..).next().map(|(_, number)| &self.numbered[usize::from(*number)])
    }

    /// Creates the list of a moment that has none.
    pub(super) fn make(&mut self, due: Time) -> u16 {
        let list = List { due, slots: Chunks::default(), timer: Timer::Untold };
        let number = if let Some(number) = self.free.pop() {
            *self.get_mut(number) = list;
            number
        } else {
            self.numbered.push(list);
            u16::try_from(self.numbered.len() - 1).expect("there are fewer lists than two bytes number")
        };
        self.by_due.insert(due, number);
        number
    }

    /// Removes a list without slots, and returns when it was due.
    pub(super) fn remove(&mut self, number: u16) -> Time {
        let due = self.get_mut(number).due;
        self.by_due.remove(&due);
        self.free.push(number);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_given_out_again_once_its_list_is_gone() {
        let mut lists = Lists::<()>::default();
        let at = |nanos| Time::START.plus(std::time::Duration::from_nanos(nanos));
        for nanos in 0..100_000 {
            let number = lists.make(at(nanos));
            assert!(number < 10 && lists.get_mut(number).due == at(nanos));
            assert_eq!(lists.number(at(nanos)), Some(number));
            if nanos >= 9 {
                let earliest = lists.number_by(at(nanos - 9)).unwrap();
                assert_eq!(lists.remove(earliest), at(nanos - 9));
            }
        }
        assert_eq!(lists.len(), 9);
    }
}
