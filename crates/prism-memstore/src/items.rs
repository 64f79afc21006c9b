//! The values of one list, in segments.
//!
//! A list in one piece would be copied as a whole now and then, and take twice its memory meanwhile: a list of ten
//! million values has 160 MB of slots. So a list longer than one segment continues in another, and no more than a
//! segment is ever copied.

use std::collections::VecDeque;
use std::mem::size_of;

use prism_plugin::list::End;

use crate::memory::{Full, Memory, allocation_bytes};

/// The minimum capacity of a segment, and the largest that is never shrunk.
const CAPACITY_MIN: usize = 4;

/// The maximum number of values in a segment: 64 KiB of slots.
const SEGMENT_MAX: usize = 4096;

/// The bytes charged for each further segment's slot among the segments, including their room to grow.
const SEGMENT_PLACE_BYTES: u64 = 2 * size_of::<Segment>() as u64;

type Segment = VecDeque<Box<[u8]>>;

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

    /// Adds a value and returns the new length. If the store is full, nothing changes.
    pub(crate) fn push(&mut self, end: End, value: Box<[u8]>, memory: &Memory) -> Result<u64, Full> {
        let last = self.segment_at(end);
        let (capacity, is_full) = (last.capacity(), last.len() == SEGMENT_MAX);
        let growth = match last.len() < capacity {
            _ if is_full => CAPACITY_MIN,
            true => 0,
            false => (capacity / 2).max(CAPACITY_MIN).min(SEGMENT_MAX - capacity),
        };
        let place = if is_full { SEGMENT_PLACE_BYTES } else { 0 };
        let room = memory.reserve(allocation_bytes(value.len()) + bytes_of(growth) + place)?;
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

    pub(crate) fn pop(&mut self, end: End, memory: &Memory) -> Option<Box<[u8]>> {
        let last = self.segment_at(end);
        let value = match end {
            End::Left => last.pop_front(),
            End::Right => last.pop_back(),
        }?;
        memory.release(allocation_bytes(value.len()));
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
    (capacity * size_of::<Box<[u8]>>()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(number: u64) -> Box<[u8]> {
        number.to_be_bytes().into()
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
                items.push(end, value(step), &memory).map_err(|Full| ()).unwrap();
                match end {
                    End::Left => model.push_front(value(step)),
                    End::Right => model.push_back(value(step)),
                }
            } else {
                let expected = match end {
                    End::Left => model.pop_front(),
                    End::Right => model.pop_back(),
                };
                assert_eq!(items.pop(end, &memory), expected);
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
            items.push(End::Right, value(number), &memory).map_err(|Full| ()).unwrap();
            grown_most = grown_most.max(memory.used() - before);
        }
        assert!(grown_most <= bytes_of(SEGMENT_MAX) / 2, "{grown_most} bytes at once");
    }

    #[test]
    fn when_full_nothing_has_changed() {
        let memory = Memory::new(Some(300_000));
        let mut items = Items::default();
        for end in [End::Right, End::Left] {
            while items.push(end, value(0), &memory).is_ok() {}
        }
        let (len, used) = (items.len(), memory.used());
        assert!(items.push(End::Left, value(1), &memory).is_err());
        assert_eq!((items.len(), memory.used()), (len, used));
        while items.pop(End::Left, &memory).is_some() {}
        assert_eq!(memory.used(), items.capacity_bytes());
    }

    #[test]
    fn a_short_list_takes_no_more_for_being_able_to_grow_long() {
        assert_eq!(size_of::<Items>(), size_of::<Segment>());
    }
}
