//! Memory accounting: what the store holds, and the limit beyond which it may not grow.
//!
//! Room is reserved before anything is stored, and released if the write does not happen, so writers on many threads
//! cannot exceed the limit together. Allocations are charged as the allocator rounds them, and the slots of maps, index
//! and timers by capacity, not length.
//!
//! Not charged: requests and responses in flight, including values that a reader still holds after they were replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// One key's slot in the index: 8 bytes, in B-tree nodes that are 5/11 to completely full, two thirds on average (8 / ⅔
/// = 12), in nodes of 8 × 11 bytes plus 16 of their own, rounded to 112 (× 112 / 88 = 15), and inner nodes (+ 3).
pub(crate) const INDEX_SLOT_BYTES: u64 = 18;

/// One list's slot in the index of lists: 16 bytes, so twice as much of the nodes, 16 × 11 + 16 = 192 bytes, which need no rounding
/// (16 / ⅔ × 192 / 176 = 26), and inner nodes (+ 4).
pub(crate) const LIST_INDEX_SLOT_BYTES: u64 = 30;

/// A write would make the store exceed its limit.
#[derive(Debug)]
pub(crate) struct Full;

pub(crate) struct Memory {
    account: Arc<Account>,
    bound: Bound,
}

/// How far an account may be used.
#[derive(Clone, Copy)]
enum Bound {
    Limit,
    /// See [`Memory::with_headroom`].
    Headroom,
    /// See [`Memory::beyond_limit`].
    Nothing,
}

struct Account {
    used: AtomicU64,
    /// [`u64::MAX`] for no limit.
    limit: AtomicU64,
}

impl Memory {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        let account = Account { used: AtomicU64::new(0), limit: AtomicU64::new(limit.unwrap_or(u64::MAX)) };
        Self { account: Arc::new(account), bound: Bound::Limit }
    }

    /// The same account without its limit, for what must not fail: to put back what was there before.
    pub(crate) fn beyond_limit(&self) -> Self {
        Self { account: Arc::clone(&self.account), bound: Bound::Nothing }
    }

    /// The same account with a sixteenth more, for what takes values out of lists and needs some memory for that: a full store
    /// could not be emptied otherwise.
    pub(crate) fn with_headroom(&self) -> Self {
        Self { account: Arc::clone(&self.account), bound: Bound::Headroom }
    }

    pub(crate) fn limit(&self) -> Option<u64> {
        Some(self.account.limit.load(Relaxed)).filter(|limit| *limit < u64::MAX)
    }

    pub(crate) fn set_limit(&self, limit: Option<u64>) {
        self.account.limit.store(limit.unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn used(&self) -> u64 {
        self.account.used.load(Relaxed)
    }

    /// Reserves room, which is released unless it is [kept](Room::keep).
    pub(crate) fn reserve(&self, bytes: u64) -> Result<Room<'_>, Full> {
        let limit = self.account.limit.load(Relaxed);
        let limit = match self.bound {
            Bound::Limit => limit,
            Bound::Headroom => limit.saturating_add(limit / 16),
            Bound::Nothing => u64::MAX,
        };
        let grown = |used: u64| used.checked_add(bytes).filter(|used| bytes == 0 || *used <= limit);
        match self.account.used.fetch_update(Relaxed, Relaxed, grown) {
            Ok(_) => Ok(Room { memory: self, bytes }),
            Err(_) => Err(Full),
        }
    }

    pub(crate) fn release(&self, bytes: u64) {
        let before = self.account.used.fetch_sub(bytes, Relaxed);
        debug_assert!(before >= bytes, "more bytes released than reserved");
    }
}

/// Reserved room.
#[must_use = "dropped room is released"]
pub(crate) struct Room<'a> {
    memory: &'a Memory,
    bytes: u64,
}

impl Room<'_> {
    /// Keeps the room: its content is stored.
    pub(crate) fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.memory.release(self.bytes);
        }
    }
}

/// The slots of one hash map, which keeps them when entries are removed and shrinks once it is mostly empty.
pub(crate) struct Slots {
    slot_bytes: u64,
    used: AtomicUsize,
    /// The maximum number in use since the map was last shrunk, give or take the writes in flight. Each change here
    /// changes the account by the same amount, so the account always balances.
    charged: AtomicUsize,
}

impl Slots {
    /// A map smaller than this is not worth shrinking.
    const SHRINK_MIN: usize = 1024;

    /// For a map whose entries take `entry_bytes`. Tables double, so they are 7/16 to 7/8 full: 1.54 slots per entry on
    /// average, each of one more byte.
    pub(crate) const fn new(entry_bytes: usize) -> Self {
        let slot_bytes = (entry_bytes as u64 + 1) * 154 / 100;
        Self { slot_bytes, used: AtomicUsize::new(0), charged: AtomicUsize::new(0) }
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// To be called before an entry is inserted.
    pub(crate) fn occupy(&self, memory: &Memory) -> Result<(), Full> {
        let used = self.used.fetch_add(1, Relaxed) + 1;
        if used > self.charged.load(Relaxed) {
            match memory.reserve(self.slot_bytes) {
                Ok(room) => room.keep(),
                Err(full) => {
                    self.vacate();
                    return Err(full);
                }
            }
            self.charged.fetch_add(1, Relaxed);
        }
        Ok(())
    }

    /// To be called after an entry was removed, or not inserted.
    pub(crate) fn vacate(&self) {
        self.used.fetch_sub(1, Relaxed);
    }

    /// Calls `shrink` if less than a quarter is in use. Must not be called under a guard of the map.
    pub(crate) fn tidy(&self, memory: &Memory, shrink: impl FnOnce()) {
        let (used, charged) = (self.used(), self.charged.load(Relaxed));
        if charged < Self::SHRINK_MIN || used >= charged / 4 {
            return;
        }
        if self.charged.compare_exchange(charged, used, Relaxed, Relaxed).is_ok() {
            shrink();
            memory.release((charged - used) as u64 * self.slot_bytes);
        }
    }

    /// To be called when the map is gone.
    pub(crate) fn close(&self, memory: &Memory) {
        memory.release(self.charged.swap(0, Relaxed) as u64 * self.slot_bytes);
    }
}

/// What an allocation of `size` bytes takes. mimalloc rounds small ones up to 16 bytes and others to a quarter of the
/// power of two below them.
pub(crate) fn allocation_bytes(size: usize) -> u64 {
    let step = match size {
        0..=128 => 16,
        _ => (1 << (size - 1).ilog2()) / 4,
    };
    size.next_multiple_of(step) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_ends_at_the_limit_and_not_before() {
        let memory = Memory::new(Some(100));
        memory.reserve(100).unwrap().keep();
        assert!(memory.reserve(1).is_err());
        assert!(memory.reserve(0).is_ok(), "a write that does not grow the store is always allowed");
        memory.release(1);
        assert!(memory.reserve(2).is_err());
        assert!(memory.reserve(1).is_ok());
    }

    #[test]
    fn headroom_is_a_sixteenth() {
        let memory = Memory::new(Some(160));
        memory.reserve(160).unwrap().keep();
        assert!(memory.reserve(1).is_err());
        assert!(memory.with_headroom().reserve(11).is_err());
        memory.with_headroom().reserve(10).unwrap().keep();
        assert_eq!(memory.used(), 170);
        assert!(memory.beyond_limit().reserve(1000).is_ok());
        assert!(Memory::new(None).with_headroom().reserve(1 << 40).is_ok());
    }

    #[test]
    fn room_that_is_not_kept_is_given_back() {
        let memory = Memory::new(Some(100));
        drop(memory.reserve(60).unwrap());
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn writers_together_cannot_pass_the_limit() {
        let memory = Memory::new(Some(1000));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        if let Ok(room) = memory.reserve(7) {
                            assert!(memory.used() <= 1000);
                            if fastrand::bool() {
                                room.keep();
                                memory.release(7);
                            }
                        }
                    }
                });
            }
        });
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn slots_are_charged_at_their_peak_until_the_map_is_shrunk() {
        let memory = Memory::new(None);
        let slots = Slots::new(8);
        (0..4096).for_each(|_| slots.occupy(&memory).unwrap());
        let peak = memory.used();
        (0..3072).for_each(|_| slots.vacate());
        slots.tidy(&memory, || panic!("a quarter is still in use"));
        assert_eq!(memory.used(), peak);
        slots.vacate();
        let mut shrunk = false;
        slots.tidy(&memory, || shrunk = true);
        assert!(shrunk && memory.used() < peak / 4);
        slots.close(&memory);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn allocations_are_rounded_as_mimalloc_rounds_them() {
        for (size, taken) in
            [(0, 0), (1, 16), (128, 128), (129, 160), (148, 160), (161, 192), (257, 320), (1025, 1280)]
        {
            assert_eq!(allocation_bytes(size), taken, "{size}");
        }
    }
}
