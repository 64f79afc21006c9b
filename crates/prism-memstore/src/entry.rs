//! A key and its value as stored: one allocation, to which both the map and the index point.
//!
//! Pointers are 8 bytes, so the map and the index hold one pointer each and nothing more, and the header before the key
//! has 10 bytes, or 24 if the key expires: 1M keys of 16 bytes with values of 100 take 181 bytes per key in all. The
//! price is that an overwrite, being a new allocation, swaps both pointers and therefore takes the index lock, for
//! about half of its 1.4 µs among 1M keys. With the value behind its own pointer an overwrite would leave the index
//! alone, but each key would need a second counter and length, the allocator's rounding twice (+ 16 bytes) and map
//! slots of twice the size (+ 17), to save a tenth of a request's total cost. Hence one allocation.
//!
//! Entries are compared, hashed and borrowed by their key alone.

mod allocation;

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use prism_plugin::types::Key;

use crate::clock::Time;
use crate::memory::{INDEX_SLOT_BYTES, allocation_bytes};
use allocation::Allocation;

/// From this size on, a read shares the entry's allocation instead of copying the value. Sharing allocates, too (some
/// 50 bytes for the owner), and writes to the entry's counter, which readers of a hot key would contend for; measured,
/// it saves about 130 ns at 1 KiB and little below.
pub(crate) const SHARED_VALUE_BYTES_MIN: usize = 1024;

/// A key, its value and its deadline. Immutable, shared, and freed when the last holder drops it.
#[derive(Clone)]
pub(crate) struct Entry(Allocation);

impl Entry {
    /// Copies key and value: the given value may be a slice of a whole network buffer.
    pub(crate) fn new(key: &Key, value: &[u8], deadline: Time) -> Self {
        Self(Allocation::new(key.as_bytes(), value, deadline))
    }

    pub(crate) fn key(&self) -> &[u8] {
        self.0.key()
    }

    pub(crate) fn to_key(&self) -> Key {
        let key = String::from_utf8(self.key().to_vec()).expect("keys are stored from strings");
        Key::stored(key)
    }

    pub(crate) fn value(&self) -> &[u8] {
        self.0.value()
    }

    pub(crate) fn value_len(&self) -> usize {
        self.0.value_len()
    }

    /// The value for a reader: a copy if it is small, otherwise a share of this allocation.
    pub(crate) fn to_value(&self) -> Bytes {
        if self.value_len() < SHARED_VALUE_BYTES_MIN {
            Bytes::copy_from_slice(self.0.value())
        } else {
            Bytes::from_owner(SharedValue(self.clone()))
        }
    }

    pub(crate) fn deadline(&self) -> Time {
        self.0.deadline()
    }

    pub(crate) fn expires(&self) -> bool {
        self.0.expires()
    }

    /// The time left until the deadline; `None` if it does not expire.
    pub(crate) fn left(&self, now: Time) -> Option<Duration> {
        self.expires().then(|| Duration::from_nanos(self.deadline().nanos_since(now)))
    }

    /// Whether both are one allocation, and so one write. While one of them is held, the other cannot be a later write whose
    /// allocation happens to be at the same address.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.is(&other.0)
    }

    pub(crate) fn is_live(&self, now: Time) -> bool {
        now < self.deadline()
    }

    /// The position of this key's timer slot. Meaningful only while the entry is stored and has a deadline. Accessed
    /// only under the lock of the timers, which move slots.
    pub(crate) fn position(&self) -> Position {
        let (list, index) = self.0.position().expect("only entries that expire have timers");
        Position { list: list.load(Relaxed), index: index.load(Relaxed) }
    }

    pub(crate) fn set_position(&self, position: Position) {
        let (list, index) = self.0.position().expect("only entries that expire have timers");
        list.store(position.list, Relaxed);
        index.store(position.index, Relaxed);
    }

    /// The bytes charged for it: its allocation and its slot in the index. The map charges its own slots.
    pub(crate) fn charged_bytes(&self) -> u64 {
        allocation_bytes(self.0.size()) + INDEX_SLOT_BYTES
    }
}

/// Which timer slot: the number of its list, and its index there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) list: u16,
    pub(crate) index: u32,
}

/// Keeps an entry alive while its value is on the way to a client.
struct SharedValue(Entry);

impl AsRef<[u8]> for SharedValue {
    fn as_ref(&self) -> &[u8] {
        self.0.0.value()
    }
}

impl Borrow<[u8]> for Entry {
    fn borrow(&self) -> &[u8] {
        self.key()
    }
}

impl Hash for Entry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(other.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: &[u8]) -> Entry {
        Entry::new(&Key::stored("k\u{e9}y".to_owned()), value, Time::NEVER)
    }

    #[test]
    fn key_and_value_come_back() {
        for size in [0, 1, 100, SHARED_VALUE_BYTES_MIN - 1, SHARED_VALUE_BYTES_MIN, 1 << 20] {
            let value: Vec<u8> = (0..size).map(|i| i as u8).collect();
            let entry = entry(&value);
            assert_eq!(entry.to_key().into_string(), "k\u{e9}y");
            assert_eq!(entry.to_value(), value);
            assert_eq!(entry.value_len(), size);
        }
    }

    #[test]
    fn a_large_value_is_shared_and_a_small_one_copied() {
        let large = entry(&[7; SHARED_VALUE_BYTES_MIN]);
        assert_eq!(large.to_value().as_ptr(), large.0.value().as_ptr());
        let small = entry(&[7; SHARED_VALUE_BYTES_MIN - 1]);
        assert_ne!(small.to_value().as_ptr(), small.0.value().as_ptr());
    }

    #[test]
    fn a_shared_value_outlives_its_entry() {
        let large = entry(&[7; SHARED_VALUE_BYTES_MIN]);
        let value = large.to_value();
        drop(large);
        assert_eq!(value, [7; SHARED_VALUE_BYTES_MIN][..]);
    }

    #[test]
    fn a_pointer_is_thin() {
        assert_eq!(size_of::<Option<Entry>>(), 8);
    }
}
