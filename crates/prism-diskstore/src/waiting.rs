//! One call that waits, as its caller has it.

use std::sync::atomic::Ordering::Relaxed;

use prism_plugin::{Context, Error};
use tokio::sync::oneshot;

use crate::layout::retries::Call;
use crate::store::DiskStore;
use crate::waiters::{Given, Place, Returned, Waiter, Wish};

/// One waiter, which leaves its queue when dropped. A value that it was given and has not taken goes back.
pub(crate) struct Waiting {
    store: DiskStore,
    place: Place,
    number: u64,
    context: Context,
    answered: oneshot::Receiver<Result<Given, Error>>,
}

impl Waiting {
    /// A waiter, and what enters for it.
    pub(crate) fn new(store: &DiskStore, context: &Context, place: Place, wish: Wish) -> (Self, Waiter) {
        let (answer, answered) = oneshot::channel();
        let number = store.shared.waiters.entered.fetch_add(1, Relaxed);
        let context = context.clone();
        let waiter = Waiter { number, wish, context: context.clone(), answer };
        (Self { store: store.clone(), place, number, context, answered }, waiter)
    }

    /// Waits for what is wished.
    pub(crate) async fn given(&mut self) -> Result<Option<Given>, Error> {
        (&mut self.answered).await.ok().transpose()
    }

    /// The same, if it is there by now.
    pub(crate) fn given_by_now(&mut self) -> Result<Option<Given>, Error> {
        self.answered.try_recv().ok().transpose()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.answered.close();
        let waiters = &self.store.shared.waiters;
        waiters.leave(&self.place, self.number);
        if let Ok(Ok(given)) = self.answered.try_recv() {
            let (place, number) = (self.place.clone(), self.number);
            let call = self.context.attempt().map(Call::of);
            waiters.give_back([Returned { place, given, call, number }]);
            self.store.write_what_returned();
        }
    }
}
