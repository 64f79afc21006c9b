//! Sets of slots.

use std::ops::RangeInclusive;

use crate::names::SLOTS;

const WORDS: usize = SLOTS as usize / 64;

/// A set of slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SlotSet(Box<[u64]>);

impl Default for SlotSet {
    fn default() -> Self {
        Self(vec![0; WORDS].into_boxed_slice())
    }
}

impl SlotSet {
    pub(crate) fn all() -> Self {
        Self(vec![u64::MAX; WORDS].into_boxed_slice())
    }

    pub(crate) fn contains(&self, slot: u16) -> bool {
        self.0.get(usize::from(slot / 64)).is_some_and(|word| word & (1 << (slot % 64)) != 0)
    }

    pub(crate) fn insert(&mut self, slots: RangeInclusive<u16>) {
        for slot in slots {
            if let Some(word) = self.0.get_mut(usize::from(slot / 64)) {
                *word |= 1 << (slot % 64);
            }
        }
    }

    pub(crate) fn remove(&mut self, slot: u16) {
        if let Some(word) = self.0.get_mut(usize::from(slot / 64)) {
            *word &= !(1 << (slot % 64));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(crate) fn is_all(&self) -> bool {
        self.0.iter().all(|word| *word == u64::MAX)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    /// What is in both.
    pub(crate) fn common(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(word, other)| word & other).collect())
    }

    /// What is in this one alone.
    pub(crate) fn without(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(word, other)| word & !other).collect())
    }

    /// The ranges, in order.
    pub(crate) fn ranges(&self) -> Vec<RangeInclusive<u16>> {
        let mut ranges: Vec<RangeInclusive<u16>> = Vec::new();
        for slot in (0..SLOTS).filter(|slot| self.contains(*slot)) {
            match ranges.last_mut() {
                Some(last) if *last.end() + 1 == slot => *last = *last.start()..=slot,
                _ => ranges.push(slot..=slot),
            }
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_behave_as_sets() {
        let mut some = SlotSet::default();
        assert!(some.is_empty());
        some.insert(60..=70);
        some.insert(16_383..=16_383);
        some.insert(16_384..=16_390);
        some.remove(65);
        assert_eq!(some.ranges(), [60..=64, 66..=70, 16_383..=16_383]);
        assert!(some.contains(64) && !some.contains(65) && !some.contains(16_384));
        let rest = SlotSet::all().without(&some);
        assert!(rest.contains(65) && rest.common(&some).is_empty());
        some.add(&rest);
        assert!(some.is_all() && some == SlotSet::all());
    }
}
