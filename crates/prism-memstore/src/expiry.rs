//! The task that frees expired keys, returns what leases that have ended had reserved, and
//! forgets old answers. Reads check deadlines themselves, so the task
//! only decides when memory is freed, and when those who wait for a list notice.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};
use tokio_util::time::DelayQueue;

use crate::clock::Time;
use crate::store::{MemStore, Shared};

/// How long the task waits before it arms new timers, so that a stream of Sets wakes it ten times a second instead of
/// once per Set. The memory of a key that lives for less is freed that much later.
const ARM_EVERY: Duration = Duration::from_millis(100);

/// Frees expired keys, and returns the values of ended leases, while it [runs](Expiry::run). Each store has one: see [`MemStore::expiry`].
///
/// [`MemStore::expiry`]: crate::MemStore::expiry
pub struct Expiry {
    store: Arc<Shared>,
    queue: DelayQueue<Time>,
}

impl MemStore {
    /// Returns the task that frees this store's expired keys, to be [run](Expiry::run) by one owner.
    ///
    /// # Panics
    /// If it has been taken already.
    #[must_use = "expired keys are freed late unless it runs"]
    pub fn expiry(&self) -> Expiry {
        let taken = self.shared.expiry_taken.swap(true, Relaxed);
        assert!(!taken, "a store has one expiry task");
        Expiry { store: self.shared.clone(), queue: DelayQueue::new() }
    }
}

impl Expiry {
    /// Runs until `shutdown` completes. Needs a tokio runtime with its timer enabled.
    ///
    /// While it does not run, keys still expire, but their memory is freed only when they are written to or when the
    /// memory limit is reached; and leases still end, but their values return only with the next call on their list.
    pub async fn run(mut self, shutdown: impl Future) {
        let store = self.store.clone();
        tokio::select! {
            _ = shutdown => {}
            () = self.work() => {}
            () = store.sweep() => {}
            () = store.forget_answers() => {}
        }
    }

    async fn work(&mut self) {
        let store = self.store.clone();
        let mut arm_from = Instant::now();
        let mut more_told = false;
        loop {
            let told = async {
                if !more_told {
                    sleep_until(arm_from).await;
                    store.timers.told().await;
                }
            };
            // An empty queue is a stream that has ended, and would be ready at once.
            tokio::select! {
                () = told => {
                    more_told = self.arm();
                    arm_from = Instant::now() + ARM_EVERY;
                }
                Some(fired) = self.queue.next(), if !self.queue.is_empty() => {
                    self.expire(fired.into_inner()).await;
                }
            }
            yield_now().await;
        }
    }

    /// Processes a batch of timers, and returns whether there are more.
    fn arm(&mut self) -> bool {
        // The queue measures its range from when it last fired, so one that was empty for years is beyond it.
        if self.queue.is_empty() {
            self.queue = DelayQueue::new();
        }
        self.store.timers.see_to_changed(&mut self.queue)
    }

    /// Frees those of the due keys that have expired.
    async fn expire(&self, due: Time) {
        while let Some(expired) = self.store.timers.fired(due) {
            self.store.free(&expired);
            drop(expired);
            yield_now().await;
        }
    }
}
