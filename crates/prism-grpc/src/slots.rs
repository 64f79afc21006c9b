//! A fixed number of slots, held by calls while they last. Taking a free one costs an addition: each call takes some.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::Notify;

/// A set of slots.
#[derive(Debug)]
pub struct Slots {
    max: usize,
    used: AtomicUsize,
    /// Signalled when all slots were taken and one becomes free.
    freed: Notify,
}

impl Slots {
    /// `max` slots, all of them free.
    #[must_use]
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, used: AtomicUsize::new(0), freed: Notify::new() })
    }

    /// The number of slots.
    #[must_use]
    pub fn max(&self) -> usize {
        self.max
    }

    /// Takes a slot, if one is free.
    #[must_use]
    pub fn try_take(self: &Arc<Self>) -> Option<Slot> {
        let one_more = |used| (used < self.max).then_some(used + 1);
        self.used.fetch_update(Relaxed, Relaxed, one_more).ok().map(|_| Slot(Arc::clone(self)))
    }

    /// Takes a slot once one is free.
    ///
    /// # Cancel safety
    /// A future that is dropped while it waits passes its turn to the next.
    pub async fn take(self: &Arc<Self>) -> Slot {
        match self.try_take() {
            Some(slot) => slot,
            None => Box::pin(self.wait()).await,
        }
    }

    async fn wait(self: &Arc<Self>) -> Slot {
        loop {
            let freed = self.freed.notified();
            if let Some(slot) = self.try_take() {
                // Of several slots freed at once, only the first is signalled.
                if self.used.load(Relaxed) < self.max {
                    self.freed.notify_one();
                }
                return slot;
            }
            freed.await;
        }
    }

    /// Waiters have seen all slots taken, so somebody can be waiting only in that case.
    fn give_back(&self) {
        if self.used.fetch_sub(1, Relaxed) == self.max {
            self.freed.notify_one();
        }
    }
}

/// A slot, taken until this is dropped.
#[derive(Debug)]
pub struct Slot(Arc<Slots>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_slot_is_waited_for_in_turn() {
        let slots = Slots::new(2);
        let (one, other) = (slots.try_take().unwrap(), slots.take().await);
        assert!(slots.try_take().is_none());
        let (mut first, mut second) = (Box::pin(slots.take()), Box::pin(slots.take()));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        drop(one);
        let first = first.now_or_never().unwrap();
        assert!(second.as_mut().now_or_never().is_none());
        drop(other);
        assert!(second.now_or_never().is_some());
        drop(first);
        assert_eq!(slots.used.load(Relaxed), 0);
    }

    #[tokio::test]
    async fn one_that_gives_up_waiting_leaves_its_turn() {
        let slots = Slots::new(1);
        let held = slots.take().await;
        let (mut first, mut second) = (Box::pin(slots.take()), Box::pin(slots.take()));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        drop(held);
        drop(first);
        assert!(second.now_or_never().is_some());
    }

    #[test]
    fn no_slot_is_lost_or_found_between_threads() {
        let slots = Slots::new(3);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
        runtime.block_on(async {
            let taken: Vec<_> = (0..64)
                .map(|_| {
                    let slots = Arc::clone(&slots);
                    tokio::spawn(async move {
                        for _ in 0..200 {
                            let slot = slots.take().await;
                            tokio::task::yield_now().await;
                            drop(slot);
                        }
                    })
                })
                .collect();
            for task in taken {
                task.await.unwrap();
            }
        });
        assert_eq!(slots.used.load(Relaxed), 0);
    }
}
