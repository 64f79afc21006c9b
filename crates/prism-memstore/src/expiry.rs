//! The task that frees expired keys. Reads check deadlines themselves, so all that depends on it is when memory comes
//! back.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};
use tokio_util::time::DelayQueue;

use crate::store::Shared;
use crate::timers::BATCH;

/// How long the task leaves new deadlines lying before it arms them, so that a stream of Sets wakes it ten times a
/// second and not once a Set. The shortest time to live is 1 s, so nothing is freed later for it.
const ARM_EVERY: Duration = Duration::from_millis(100);

/// A queue smaller than this is not worth shrinking.
const SHRINK_MIN: usize = 1024;

/// Frees expired keys while it [runs](Expiry::run). There is one for a store: see [`MemStore::expiry`].
///
/// [`MemStore::expiry`]: crate::MemStore::expiry
pub struct Expiry {
    store: Arc<Shared>,
    queue: DelayQueue<u32>,
}

impl Expiry {
    pub(crate) fn new(store: Arc<Shared>) -> Self {
        Self { store, queue: DelayQueue::new() }
    }

    /// Runs until `shutdown` completes. Needs a tokio runtime with its timer enabled.
    ///
    /// While it does not run, keys expire all the same, but their memory is freed only when they are written to or
    /// when the memory limit is reached.
    pub async fn run(mut self, shutdown: impl Future) {
        tokio::select! {
            _ = shutdown => {}
            () = self.work() => {}
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
                fired = fired(&mut self.queue), if !self.queue.is_empty() => self.expire(fired),
            }
            yield_now().await;
            self.shrink().await;
        }
    }

    /// Arms timers for a batch of deadlines, and says whether there are more.
    fn arm(&mut self) -> bool {
        // The queue counts its range from when it last fired, so one that lay empty for years is out of it.
        if self.queue.is_empty() {
            self.queue = DelayQueue::new();
        }
        self.store.timers.arm_told(&mut self.queue, &self.store.clock)
    }

    fn expire(&mut self, fired: Vec<u32>) {
        let expired = self.store.timers.fired(&fired, &mut self.queue, &self.store.clock);
        self.store.free(&expired);
    }

    /// Gives memory back after many keys expired. `DelayQueue::compact` would leave it slower and larger by a hash map
    /// for good, so the timers move to a new queue instead.
    async fn shrink(&mut self) {
        let timers = &self.store.timers;
        let sparse_queue =
            self.queue.capacity() >= SHRINK_MIN && self.queue.len() < self.queue.capacity() / 4;
        if !timers.is_worth_shrinking() && !sparse_queue {
            return;
        }
        while timers.shrink(&self.store.memory) {
            yield_now().await;
        }
        self.queue = DelayQueue::new();
        let mut from = 0;
        while let Some(next) = timers.fill(&mut self.queue, from, &self.store.clock) {
            from = next;
            yield_now().await;
        }
    }
}

/// Waits for the next timer and takes those that fire with it. Nothing is lost if it is dropped while it waits.
async fn fired(queue: &mut DelayQueue<u32>) -> Vec<u32> {
    let mut fired: Vec<u32> = queue.next().await.map(|first| first.into_inner()).into_iter().collect();
    while fired.len() < BATCH
        && let Some(Some(next)) = queue.next().now_or_never()
    {
        fired.push(next.into_inner());
    }
    fired
}
