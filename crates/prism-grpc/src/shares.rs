//! Bounded resources of a server, and the share that one connection may use of each.
//!
//! A [`Pool`] is the global limit. Each connection has a [`Share`] below it, so that a connection that uses up its
//! share is refused and no other is. Bytes in use are a [`Charge`], returned when it is dropped.
//!
//! A connection lives on one worker, so its own counter is seldom contended; the pool's would be, by all workers.
//! Therefore a share borrows from the pool in blocks, and its first bytes do not count: a server whose pool is used up
//! still serves small calls on every connection.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// What each connection may use without borrowing from the pool: a few small messages.
pub const FREE_BYTES: usize = 16 * 1024;

/// A message, or a piece of a response, that is no longer than this is not counted: a connection has some hundred
/// streams, and that is the bound.
pub(crate) const SMALL_BYTES: usize = 1024;

/// How much a share borrows at a time beyond that.
const BLOCK_BYTES: usize = 64 * 1024;

/// How long to wait for [room](Share::room).
pub const ROOM_WAIT_MAX: Duration = Duration::from_secs(5);

/// A limit of the whole process, and how much of it is in use.
#[derive(Debug)]
pub struct Pool {
    max: usize,
    used: AtomicUsize,
    refused: AtomicU64,
}

impl Pool {
    /// A pool of `max` bytes.
    #[must_use]
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, used: AtomicUsize::new(0), refused: AtomicU64::new(0) })
    }

    /// How many bytes connections have borrowed.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// The limit.
    #[must_use]
    pub fn max(&self) -> usize {
        self.max
    }

    /// How often a charge was refused, whether by the connection's share or by the pool.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    fn borrow(&self, bytes: usize) -> bool {
        let within = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.max);
        self.used.fetch_update(Relaxed, Relaxed, within).is_ok()
    }
}

/// Why a charge was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The connection's share is used up: its limit in bytes.
    Share(usize),
    /// The pool is used up: its limit in bytes.
    Pool(usize),
}

impl Full {
    /// The limit, in bytes.
    #[must_use]
    pub fn limit(self) -> usize {
        match self {
            Self::Share(max) | Self::Pool(max) => max,
        }
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(max) => write!(f, "this connection's share is {max} bytes"),
            Self::Pool(max) => write!(f, "all connections together may hold {max} bytes"),
        }
    }
}

/// What one connection uses of a pool.
#[derive(Debug)]
pub struct Share {
    pool: Arc<Pool>,
    max: usize,
    used: AtomicUsize,
    /// The bytes borrowed from the pool; changed under `lending`.
    borrowed: AtomicUsize,
    lending: Mutex<()>,
    /// Signalled when less than half is in use again.
    room: Notify,
}

impl Share {
    /// A share of at most `max` bytes, with none in use.
    #[must_use]
    pub fn of(pool: &Arc<Pool>, max: usize) -> Arc<Self> {
        Arc::new(Self {
            pool: Arc::clone(pool),
            max,
            used: AtomicUsize::new(0),
            borrowed: AtomicUsize::new(0),
            lending: Mutex::new(()),
            room: Notify::new(),
        })
    }

    /// Charges `bytes`.
    ///
    /// # Errors
    /// The connection's share, or the pool, is used up.
    pub fn charge(self: &Arc<Self>, bytes: usize) -> Result<Charge, Full> {
        self.take(bytes)?;
        Ok(Charge { share: Arc::clone(self), bytes })
    }

    /// Whether less than half is in use: the other half is for responses that have begun.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.used.load(Relaxed) <= self.max / 2
    }

    /// Waits for [room](Self::has_room), for at most [`ROOM_WAIT_MAX`].
    ///
    /// # Errors
    /// There was no room in that time.
    pub async fn room(&self) -> Result<(), Full> {
        let room = async {
            loop {
                let signalled = self.room.notified();
                if self.has_room() {
                    return;
                }
                signalled.await;
            }
        };
        tokio::time::timeout(ROOM_WAIT_MAX, room).await.map_err(|_| self.refused(Full::Share(self.max)))
    }

    fn refused(&self, full: Full) -> Full {
        self.pool.refused.fetch_add(1, Relaxed);
        full
    }

    fn take(&self, bytes: usize) -> Result<(), Full> {
        let used = self.used.fetch_add(bytes, Relaxed).saturating_add(bytes);
        let taken = if used > self.max {
            Err(Full::Share(self.max))
        } else if used > FREE_BYTES + self.borrowed.load(Relaxed) {
            self.borrow(used)
        } else {
            Ok(())
        };
        taken.map_err(|full| {
            self.used.fetch_sub(bytes, Relaxed);
            self.refused(full)
        })
    }

    fn borrow(&self, used: usize) -> Result<(), Full> {
        let _lending = self.lending.lock().unwrap_or_else(PoisonError::into_inner);
        let borrowed = self.borrowed.load(Relaxed);
        let missing = used.saturating_sub(FREE_BYTES + borrowed).next_multiple_of(BLOCK_BYTES);
        if !self.pool.borrow(missing) {
            return Err(Full::Pool(self.pool.max));
        }
        self.borrowed.store(borrowed + missing, Relaxed);
        Ok(())
    }

    fn give_back(&self, bytes: usize) {
        let before = self.used.fetch_sub(bytes, Relaxed);
        if self.borrowed.load(Relaxed) > 0 {
            self.repay();
        }
        if before > self.max / 2 && self.has_room() {
            self.room.notify_waiters();
        }
    }

    /// Returns unused bytes to the pool, except for one block.
    fn repay(&self) {
        let _lending = self.lending.lock().unwrap_or_else(PoisonError::into_inner);
        let borrowed = self.borrowed.load(Relaxed);
        let needed = self.used.load(Relaxed).saturating_sub(FREE_BYTES).next_multiple_of(BLOCK_BYTES);
        let kept = if needed == 0 { 0 } else { needed + BLOCK_BYTES };
        if borrowed > kept {
            self.borrowed.store(kept, Relaxed);
            self.pool.used.fetch_sub(borrowed - kept, Relaxed);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.pool.used.fetch_sub(*self.borrowed.get_mut(), Relaxed);
    }
}

/// Bytes of a [`Share`] that are in use until this is dropped.
#[derive(Debug)]
pub struct Charge {
    share: Arc<Share>,
    bytes: usize,
}

impl Charge {
    /// Charges `bytes` more.
    ///
    /// # Errors
    /// The connection's share, or the pool, is used up.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        self.share.take(bytes)?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.share.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;

    #[test]
    fn a_full_share_refuses_its_holder_and_nobody_else() {
        let pool = Pool::new(10_000 * KIB);
        let (one, other) = (Share::of(&pool, 1000 * KIB), Share::of(&pool, 1000 * KIB));
        let held = one.charge(1000 * KIB).unwrap();
        assert_eq!(one.charge(1).unwrap_err(), Full::Share(1000 * KIB));
        assert!(other.charge(1000 * KIB).is_ok());
        drop(held);
        assert!(one.charge(1000 * KIB).is_ok());
        assert_eq!(pool.refused(), 1);
    }

    #[test]
    fn a_pool_that_is_used_up_still_serves_what_is_small() {
        let pool = Pool::new(1024 * KIB);
        let (one, other) = (Share::of(&pool, 2000 * KIB), Share::of(&pool, 2000 * KIB));
        let held = one.charge(1000 * KIB).unwrap();
        assert_eq!(other.charge(100 * KIB).unwrap_err(), Full::Pool(1024 * KIB));
        let mut small = other.charge(FREE_BYTES).unwrap();
        assert_eq!(small.grow(1), Err(Full::Pool(1024 * KIB)), "a refused charge uses nothing");
        drop(held);
        assert_eq!(small.grow(1), Ok(()));
    }

    #[test]
    fn all_that_was_borrowed_is_repaid() {
        let pool = Pool::new(usize::MAX);
        let share = Share::of(&pool, usize::MAX);
        let mut charges: Vec<_> =
            (0..1000).map(|nth| share.charge((nth * 7919) % (200 * KIB)).unwrap()).collect();
        let used: usize = charges.iter().map(|charge| charge.bytes).sum();
        assert!((used - FREE_BYTES..used + BLOCK_BYTES).contains(&pool.used()));
        charges.truncate(500);
        let used: usize = charges.iter().map(|charge| charge.bytes).sum();
        assert!((used - FREE_BYTES..=used + 2 * BLOCK_BYTES).contains(&pool.used()));
        drop(charges);
        assert_eq!(pool.used(), 0);
        let _held = share.charge(100 * KIB).unwrap();
        drop(share);
        assert!(pool.used() > 0, "the charge keeps its share");
        drop(_held);
        assert_eq!(pool.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn room_is_waited_for_and_not_for_ever() {
        let pool = Pool::new(usize::MAX);
        let share = Share::of(&pool, 1000 * KIB);
        let held = share.charge(501 * KIB).unwrap();
        assert_eq!(share.room().await, Err(Full::Share(1000 * KIB)));
        let waiting = tokio::spawn({
            let share = Arc::clone(&share);
            async move { share.room().await }
        });
        tokio::task::yield_now().await;
        drop(held);
        assert_eq!(waiting.await.unwrap(), Ok(()));
    }
}
