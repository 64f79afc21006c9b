//! The allocation behind an entry. All of the store's unsafe code is here.
//!
//! ```text
//! ┌───────┬───────────┬─────────────────────┬──────┬───────┬──────────┬─────┬───────┐
//! │ count │ value_len │ key_len and EXPIRES │ list │ index │ deadline │ key │ value │
//! └───────┴───────────┴─────────────────────┴──────┴───────┴──────────┴─────┴───────┘
//!     4         4                2             2       4        8
//! ```
//!
//! List and index, which locate the timer slot, and deadline exist only if the key expires; otherwise the key follows
//! at once, at 10. `triomphe::ThinArc` would put 32 bytes before the key of every entry: two `usize`s, and a header
//! that cannot leave out what an entry does not need.

#![expect(unsafe_code, reason = "no crate has a counted, thin slice with a head of less than 16 bytes")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::offset_of;
use std::process::abort;
use std::ptr::NonNull;
use std::sync::atomic::{
    AtomicU16, AtomicU32, Ordering::Acquire, Ordering::Relaxed, Ordering::Release, fence,
};

use crate::clock::Time;

/// The start of every allocation.
#[repr(C, align(8))]
struct Head {
    count: AtomicU32,
    value_len: u32,
    /// The key's length, 13 bits, and [`EXPIRES`].
    key_len: u16,
    // The following fields exist only in an allocation that expires.
    list: AtomicU16,
    index: AtomicU32,
    deadline: Time,
}

/// Set in `key_len` if list, index and deadline exist.
const EXPIRES: u16 = 1 << 15;

/// Where the key starts if the allocation does not expire, and if it does.
const BYTES_AT: usize = offset_of!(Head, key_len) + size_of::<u16>();
const BYTES_AT_IF_EXPIRING: usize = size_of::<Head>();

const _: () = assert!(BYTES_AT == 10 && offset_of!(Head, list) == BYTES_AT && BYTES_AT_IF_EXPIRING == 24);

/// There cannot be more holders than this, because each takes memory; a higher count is a bug.
const COUNT_MAX: u32 = 1 << 31;

/// An immutable key, value and deadline. Reference-counted, and freed when the last holder drops it.
pub(super) struct Allocation(NonNull<Head>);

// SAFETY: shared data never changes except for its atomics, and the count decides who frees it, as in `Arc`.
unsafe impl Send for Allocation {}
// SAFETY: as above.
unsafe impl Sync for Allocation {}

impl Allocation {
    /// # Panics
    /// The key is longer than 32,767 bytes, or the value than 4 GiB.
    pub(super) fn new(key: &[u8], value: &[u8], deadline: Time) -> Self {
        let expires = deadline != Time::NEVER;
        let key_len = u16::try_from(key.len()).ok().filter(|len| len & EXPIRES == 0);
        let key_len = key_len.expect("a checked key is at most 4,096 bytes long");
        let value_len = u32::try_from(value.len()).expect("a value is shorter than the largest message");
        let layout = layout(expires, key.len(), value.len());
        // SAFETY: the layout's size is not zero: it includes the head.
        let start = unsafe { alloc(layout) };
        let Some(head) = NonNull::new(start.cast::<Head>()) else { handle_alloc_error(layout) };
        // SAFETY: each write lies within the layout, which begins with the head's fields and ends with key and value;
        // the three fields for which only an expiring entry has room are written only there. `start` is aligned for
        // them, and nobody else has it yet. Key and value cannot overlap with memory that was just allocated.
        unsafe {
            (&raw mut (*head.as_ptr()).count).write(AtomicU32::new(1));
            (&raw mut (*head.as_ptr()).value_len).write(value_len);
            (&raw mut (*head.as_ptr()).key_len).write(key_len | if expires { EXPIRES } else { 0 });
            if expires {
                (&raw mut (*head.as_ptr()).list).write(AtomicU16::new(0));
                (&raw mut (*head.as_ptr()).index).write(AtomicU32::new(0));
                (&raw mut (*head.as_ptr()).deadline).write(deadline);
            }
            let bytes = start.add(bytes_at(expires));
            bytes.copy_from_nonoverlapping(key.as_ptr(), key.len());
            bytes.add(key.len()).copy_from_nonoverlapping(value.as_ptr(), value.len());
        }
        Self(head)
    }

    pub(super) fn key(&self) -> &[u8] {
        // SAFETY: the key's bytes were written in `new`, do not change, and live as long as this holder.
        unsafe { std::slice::from_raw_parts(self.bytes(), self.key_len()) }
    }

    pub(super) fn value(&self) -> &[u8] {
        // SAFETY: the value's bytes, after the key's, were written in `new`, do not change, and live as long as this
        // holder.
        unsafe { std::slice::from_raw_parts(self.bytes().add(self.key_len()), self.value_len()) }
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    pub(super) fn value_len(&self) -> usize {
        // SAFETY: written in `new` and never changed.
        let len = unsafe { (&raw const (*self.0.as_ptr()).value_len).read() };
        len as usize
    }

    pub(super) fn expires(&self) -> bool {
        self.key_len_field() & EXPIRES != 0
    }

    pub(super) fn deadline(&self) -> Time {
        if !self.expires() {
            return Time::NEVER;
        }
        // SAFETY: an allocation that expires has the field; it was written in `new` and never changed.
        unsafe { (&raw const (*self.0.as_ptr()).deadline).read() }
    }

    /// List and index, shared by all holders; only an allocation that expires has them.
    pub(super) fn position(&self) -> Option<(&AtomicU16, &AtomicU32)> {
        if !self.expires() {
            return None;
        }
        // SAFETY: an allocation that expires has both fields; they are atomic, so writers need only shared references.
        Some(unsafe { (&(*self.0.as_ptr()).list, &(*self.0.as_ptr()).index) })
    }

    /// The size requested from the allocator.
    pub(super) fn size(&self) -> usize {
        self.layout().size()
    }

    fn layout(&self) -> Layout {
        layout(self.expires(), self.key_len(), self.value_len())
    }

    fn key_len(&self) -> usize {
        usize::from(self.key_len_field() & !EXPIRES)
    }

    fn key_len_field(&self) -> u16 {
        // SAFETY: written in `new` and never changed.
        unsafe { (&raw const (*self.0.as_ptr()).key_len).read() }
    }

    fn bytes(&self) -> *const u8 {
        // SAFETY: within the allocation: the layout includes everything before the bytes.
        unsafe { self.0.as_ptr().cast::<u8>().add(bytes_at(self.expires())) }
    }

    fn count(&self) -> &AtomicU32 {
        // SAFETY: every allocation has the field, and it is atomic.
        unsafe { &(*self.0.as_ptr()).count }
    }
}

impl Clone for Allocation {
    fn clone(&self) -> Self {
        if self.count().fetch_add(1, Relaxed) >= COUNT_MAX {
            abort();
        }
        Self(self.0)
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        if self.count().fetch_sub(1, Release) != 1 {
            return;
        }
        // What the other holders did happens before this, as in `Arc`.
        fence(Acquire);
        let layout = self.layout();
        // SAFETY: allocated in `new` with this layout, which follows from its own lengths, and this was the last
        // holder. No field needs a destructor.
        unsafe { dealloc(self.0.as_ptr().cast(), layout) };
    }
}

const fn bytes_at(expires: bool) -> usize {
    if expires { BYTES_AT_IF_EXPIRING } else { BYTES_AT }
}

fn layout(expires: bool, key_len: usize, value_len: usize) -> Layout {
    let size = bytes_at(expires) + key_len + value_len;
    Layout::from_size_align(size, align_of::<Head>()).expect("the lengths are far below the largest size")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_the_head_takes_10_or_24_bytes() {
        let deadline = Time::NEVER.before();
        for key_len in [0, 1, 7, 4096] {
            for value_len in [0, 1, 100, 1 << 20] {
                let key = vec![b'k'; key_len];
                let value: Vec<u8> = (0..value_len).map(|byte| byte as u8).collect();
                for (given, head) in [(Time::NEVER, 10), (deadline, 24)] {
                    let made = Allocation::new(&key, &value, given);
                    assert_eq!((made.key(), made.value(), made.deadline()), (&key[..], &value[..], given));
                    assert_eq!(made.size(), head + key_len + value_len);
                    assert_eq!(made.position().is_some(), made.expires());
                }
            }
        }
    }

    #[test]
    fn the_last_holder_frees_it_on_whichever_thread() {
        let made = Allocation::new(b"key", b"value", Time::NEVER.before());
        std::thread::scope(|scope| {
            for number in 0..4 {
                let held = made.clone();
                scope.spawn(move || {
                    for _ in 0..1000 {
                        let again = held.clone();
                        assert_eq!((again.key(), again.value()), (&b"key"[..], &b"value"[..]));
                        let (list, index) = again.position().unwrap();
                        list.store(number, Relaxed);
                        index.store(number.into(), Relaxed);
                    }
                });
            }
        });
        assert_eq!(made.count().load(Relaxed), 1);
        let (list, index) = made.position().unwrap();
        assert!(list.load(Relaxed) < 4 && index.load(Relaxed) < 4);
        assert_eq!(
            (made.key(), made.value(), made.deadline()),
            (&b"key"[..], &b"value"[..], Time::NEVER.before())
        );
    }

    #[test]
    #[should_panic(expected = "at most 4,096 bytes")]
    fn a_key_whose_length_would_not_fit_is_refused() {
        Allocation::new(&[0; 1 << 15], b"", Time::NEVER);
    }
}
