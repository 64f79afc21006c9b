//! The values of one list, in segments.
//!
//! A list in one piece would be copied as a whole now and then, and take twice its memory meanwhile: a list of ten
//! million values has 160 MB of slots. So a list longer than one segment continues in another, and no more than a
//! segment is ever copied.

use std::collections::VecDeque;
use std::mem::size_of;

use prism_plugin::list::End;

use crate::memory::{Full, Memory};
use crate::value::Value;

/// The minimum capacity of a segment, and the largest that is never shrunk.
const CAPACITY_MIN: usize = 4;

/// The maximum number of values in a segment: 64 KiB of slots.
const SEGMENT_MAX: usize = 4096;

/// The bytes charged for each further segment's slot among the segments, including their room to grow.
const SEGMENT_PLACE_BYTES: u64 = 2 * size_of::<Segment>() as u64;

type Segment = VecDeque<Value>;

/// The values. All segments except the first and the last are full.
pub(crate) enum Items {
    /// Few enough for one segment.
    Short(Segment),
    /// At least two segments, none of them empty.
    #[expect(clippy::box_collection, reason = "a map of short lists has room for the larger of the two")]
    Long(Box<VecDeque<Segment>>),
}

impl Default for Items {
    fn default() -> Self {
        Self::Short(Segment::new())
    }
}

impl Items {
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Short(segment) if segment.is_empty())
    }

    pub(crate) fn len(&self) -> u64 {
        let len = match self {
            Self::Short(segment) => segment.len(),
            Self::Long(segments) => {
                let ends = segments.front().map_or(0, Segment::len) + segments.back().map_or(0, Segment::len);
                ends + (segments.len() - 2) * SEGMENT_MAX
            }
        };
        len as u64
    }

    /// The bytes that its slots take; even an empty list has some.
    pub(crate) fn capacity_bytes(&self) -> u64 {
        match self {
            Self::Short(segment) => bytes_of(segment.capacity()),
            Self::Long(segments) => {
                let places = segments.iter().map(|segment| bytes_of(segment.capacity())).sum::<u64>();
                places + (segments.len() as u64 - 1) * SEGMENT_PLACE_BYTES
            }
        }
    }

    /// The value at an index from the left.
    pub(crate) fn get(&self, index: u64) -> Option<&Value> {
        let (segment, within) = self.place(index)?;
        let segment = match self {
            Self::Short(only) => only,
            Self::Long(segments) => segments.get(segment)?,
        };
        segment.get(within)
    }

    /// Replaces the value at an index from the left, and returns whether there is one. If the store is full, nothing changes.
    pub(crate) fn set(&mut self, index: u64, value: Value, memory: &Memory) -> Result<bool, Full> {
        let Some((segment, within)) = self.place(index) else { return Ok(false) };
        let segment = match self {
            Self::Short(only) => Some(only),
            Self::Long(segments) => segments.get_mut(segment),
        };
        let Some(place) = segment.and_then(|segment| segment.get_mut(within)) else { return Ok(false) };
        let (before, after) = (place.charged_bytes(), value.charged_bytes());
        memory.reserve(after.saturating_sub(before))?.keep();
        *place = value;
        memory.release(before.saturating_sub(after));
        Ok(true)
    }

    /// The value at one end.
    pub(crate) fn peek(&self, end: End) -> Option<&Value> {
        match end {
            End::Left => self.get(0),
            End::Right => self.get(self.len().checked_sub(1)?),
        }
    }

    /// Where an index is: the segment and the index there.
    fn place(&self, index: u64) -> Option<(usize, usize)> {
        let index = usize::try_from(index).ok()?;
        let first = match self {
            Self::Short(_) => return Some((0, index)),
            Self::Long(segments) => segments.front().map_or(0, Segment::len),
        };
        // All segments between the first and the last are full.
        Some(match index.checked_sub(first) {
            None => (0, index),
            Some(behind) => (1 + behind / SEGMENT_MAX, behind % SEGMENT_MAX),
        })
    }

    fn iter(&self) -> impl Iterator<Item = &Value> {
        let (only, segments) = match self {
            Self::Short(only) => (Some(only), None),
            Self::Long(segments) => (None, Some(&**segments)),
        };
        only.into_iter().chain(segments.into_iter().flatten()).flatten()
    }

    /// Removes values that equal `value`: at most `max`, from the left end or from the right. Builds the list anew if there are any.
    pub(crate) fn remove(&mut self, value: &[u8], from: End, max: u64, memory: &Memory) -> u64 {
        let equal = self.iter().filter(|other| ***other == *value).count() as u64;
        let removed = equal.min(max);
        if removed == 0 {
            return 0;
        }
        // Of the equal values from the left, the first ones stay if the last ones go.
        let mut stay_first = if from == End::Left { 0 } else { equal - removed };
        let (mut left, mut freed) = (removed, 0);
        let before = self.capacity_bytes();
        let kept = std::mem::take(self).into_values().filter(|other| {
            let goes = left > 0 && **other == *value && {
                let stays = stay_first > 0;
                stay_first -= u64::from(stays);
                !stays
            };
            if goes {
                left -= 1;
                freed += other.charged_bytes();
            }
            !goes
        });
        *self = Self::packed(kept);
        memory.release(freed + before.saturating_sub(self.capacity_bytes()));
        removed
    }

    /// The values from left to right.
    pub(crate) fn into_values(self) -> impl Iterator<Item = Value> {
        let segments = match self {
            Self::Short(only) => VecDeque::from([only]),
            Self::Long(segments) => *segments,
        };
        segments.into_iter().flatten()
    }

    /// Values in full segments and a last one.
    fn packed(mut values: impl Iterator<Item = Value>) -> Self {
        let mut segments = VecDeque::new();
        loop {
            let mut segment: Segment = values.by_ref().take(SEGMENT_MAX).collect();
            segment.shrink_to_fit();
            if segment.is_empty() {
                break;
            }
            segments.push_back(segment);
        }
        match segments.len() {
            0 | 1 => Self::Short(segments.pop_front().unwrap_or_default()),
            _ => Self::Long(Box::new(segments)),
        }
    }

    /// Adds a value and returns the new length. If the store is full, nothing changes.
    pub(crate) fn push(&mut self, end: End, value: Value, memory: &Memory) -> Result<u64, Full> {
        let last = self.segment_at(end);
        let (capacity, is_full) = (last.capacity(), last.len() == SEGMENT_MAX);
        let growth = match last.len() < capacity {
            _ if is_full => CAPACITY_MIN,
            true => 0,
            false => (capacity / 2).max(CAPACITY_MIN).min(SEGMENT_MAX - capacity),
        };
        let place = if is_full { SEGMENT_PLACE_BYTES } else { 0 };
        let room = memory.reserve(value.charged_bytes() + bytes_of(growth) + place)?;
        if is_full {
            self.add_segment(end);
        }
        let last = self.segment_at(end);
        if growth > 0 {
            last.reserve_exact(growth);
        }
        match end {
            End::Left => last.push_front(value),
            End::Right => last.push_back(value),
        }
        room.keep();
        Ok(self.len())
    }

    pub(crate) fn pop(&mut self, end: End, memory: &Memory) -> Option<Value> {
        let last = self.segment_at(end);
        let value = match end {
            End::Left => last.pop_front(),
            End::Right => last.pop_back(),
        }?;
        memory.release(value.charged_bytes());
        let before = last.capacity();
        if before > CAPACITY_MIN && last.len() < before / 4 {
            last.shrink_to(before / 2);
            memory.release(bytes_of(before - last.capacity()));
        }
        if last.is_empty() {
            self.remove_segment(end, memory);
        }
        Some(value)
    }

    fn segment_at(&mut self, end: End) -> &mut Segment {
        let segments = match self {
            Self::Short(segment) => return segment,
            Self::Long(segments) => segments,
        };
        let last = match end {
            End::Left => segments.front_mut(),
            End::Right => segments.back_mut(),
        };
        last.expect("a long list has two segments at least")
    }

    fn add_segment(&mut self, end: End) {
        if let Self::Short(segment) = self {
            *self = Self::Long(Box::new(VecDeque::from([std::mem::take(segment)])));
        }
        if let Self::Long(segments) = self {
            match end {
                End::Left => segments.push_front(Segment::new()),
                End::Right => segments.push_back(Segment::new()),
            }
        }
    }

    /// Removes an empty segment, unless it is the only one.
    fn remove_segment(&mut self, end: End, memory: &Memory) {
        let Self::Long(segments) = self else { return };
        let empty = match end {
            End::Left => segments.pop_front(),
            End::Right => segments.pop_back(),
        };
        memory.release(empty.map_or(0, |empty| bytes_of(empty.capacity())) + SEGMENT_PLACE_BYTES);
        if segments.len() == 1 {
            *self = Self::Short(segments.pop_front().unwrap_or_default());
        } else if segments.capacity() > CAPACITY_MIN && segments.len() < segments.capacity() / 4 {
            segments.shrink_to(segments.capacity() / 2);
        }
    }
}

fn bytes_of(capacity: usize) -> u64 {
    (capacity * size_of::<Value>()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::allocation_bytes;

    fn value(number: u64) -> Box<[u8]> {
        number.to_be_bytes().into()
    }

    fn stored(number: u64) -> Value {
        Value::Plain(value(number))
    }

    #[test]
    fn a_list_of_many_segments_is_one_list_from_both_ends() {
        let memory = Memory::new(None);
        let mut items = Items::default();
        let mut model = VecDeque::new();
        let mut random = fastrand::Rng::with_seed(7);
        // It grows to several segments, and back to nothing.
        for step in 0..80_000_u64 {
            let grows = if step < 40_000 { random.u8(..) < 200 } else { random.u8(..) < 20 };
            let end = if random.bool() { End::Left } else { End::Right };
            if grows {
                items.push(end, stored(step), &memory).map_err(|Full| ()).unwrap();
                match end {
                    End::Left => model.push_front(value(step)),
                    End::Right => model.push_back(value(step)),
                }
            } else {
                let expected = match end {
                    End::Left => model.pop_front(),
                    End::Right => model.pop_back(),
                };
                assert_eq!(items.pop(end, &memory).map(Value::into_bytes), expected);
            }
            assert_eq!(items.len(), model.len() as u64);
            assert_eq!(items.is_empty(), model.is_empty());
            if step % 1000 == 0 {
                let values = model.len() as u64 * allocation_bytes(8);
                assert_eq!(memory.used(), values + items.capacity_bytes());
            }
        }
        assert!(model.is_empty());
        assert_eq!(memory.used(), items.capacity_bytes());
    }

    #[test]
    fn a_push_copies_a_segment_at_the_most() {
        let memory = Memory::new(None);
        let mut items = Items::default();
        let mut grown_most = 0;
        for number in 0..100_000 {
            let before = memory.used();
            items.push(End::Right, stored(number), &memory).map_err(|Full| ()).unwrap();
            grown_most = grown_most.max(memory.used() - before);
        }
        assert!(grown_most <= bytes_of(SEGMENT_MAX) / 2, "{grown_most} bytes at once");
    }

    #[test]
    fn values_are_read_replaced_and_removed_wherever_they_are() {
        let memory = Memory::new(None);
        let mut random = fastrand::Rng::with_seed(11);
        for size in [0, 1, 5, SEGMENT_MAX as u64, 3 * SEGMENT_MAX as u64 + 17] {
            let (mut items, mut model) = (Items::default(), VecDeque::new());
            for number in 0..size {
                let (end, value) = (if random.bool() { End::Left } else { End::Right }, value(number % 7));
                items.push(end, Value::Plain(value.clone()), &memory).map_err(|Full| ()).unwrap();
                if end == End::Left { model.push_front(value) } else { model.push_back(value) }
            }
            for _ in 0..100 {
                let index = random.u64(..size + 2);
                assert_eq!(
                    items.get(index).map(|value| &**value),
                    model.get(index as usize).map(|value| &**value)
                );
                let new: Box<[u8]> = vec![1; random.usize(..200)].into();
                let is_there =
                    items.set(index, Value::Plain(new.clone()), &memory).map_err(|Full| ()).unwrap();
                assert_eq!(is_there, model.get_mut(index as usize).map(|value| *value = new).is_some());
            }
            for (from, max) in [(End::Left, 3), (End::Right, 3), (End::Right, u64::MAX)] {
                let victim = value(random.u64(..7));
                let mut places: Vec<_> = (0..model.len()).filter(|at| model[*at] == victim).collect();
                if from == End::Right {
                    places.reverse();
                }
                places.truncate(usize::try_from(max).unwrap_or(usize::MAX));
                assert_eq!(items.remove(&victim, from, max, &memory), places.len() as u64);
                places.sort_unstable();
                places.iter().rev().for_each(|at| drop(model.remove(*at)));
                assert!(items.iter().map(|value| &**value).eq(model.iter().map(|value| &**value)));
            }
            // It is still a list like any other, and its account balances.
            items.push(End::Left, stored(0), &memory).map_err(|Full| ()).unwrap();
            while items.pop(End::Right, &memory).is_some() {}
            memory.release(items.capacity_bytes());
            assert_eq!(memory.used(), 0);
        }
    }

    #[test]
    fn when_full_nothing_has_changed() {
        let memory = Memory::new(Some(300_000));
        let mut items = Items::default();
        for end in [End::Right, End::Left] {
            while items.push(end, stored(0), &memory).is_ok() {}
        }
        let (len, used) = (items.len(), memory.used());
        assert!(items.push(End::Left, stored(1), &memory).is_err());
        assert_eq!((items.len(), memory.used()), (len, used));
        while items.pop(End::Left, &memory).is_some() {}
        assert_eq!(memory.used(), items.capacity_bytes());
    }

    #[test]
    fn a_short_list_takes_no_more_for_being_able_to_grow_long() {
        assert_eq!(size_of::<Items>(), size_of::<Segment>());
    }
}
