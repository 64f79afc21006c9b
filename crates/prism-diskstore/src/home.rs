//! The runtimes in which writes wait. To wake a task of another thread's runtime takes a system call, so what a batch answers is
//! collected by runtime, and each is woken once.

use std::cell::RefCell;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prism_plugin::Error;
use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;

thread_local! {
    /// That of the runtime which this thread ran last.
    static HERE: RefCell<Option<Arc<Home>>> = const { RefCell::new(None) };
}

/// A runtime in which writes wait.
pub(crate) struct Home {
    runtime: Id,
    /// What is answered there; `None` once the runtime has ended.
    answered: Mutex<Option<Vec<Answered>>>,
    arrived: Notify,
}

/// Answers a write once it is known whether its batch was committed.
pub(crate) type Answer = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// An answer, and whether the batch was committed.
type Answered = (Answer, Result<(), Error>);

impl Home {
    /// That of the current runtime.
    pub(crate) fn here() -> Arc<Self> {
        let runtime = Handle::current().id();
        HERE.with_borrow_mut(|here| {
            if let Some(home) = here
                && home.runtime == runtime
                && home.answered().is_some()
            {
                return Arc::clone(home);
            }
            let (answered, arrived) = (Mutex::new(Some(Vec::new())), Notify::new());
            let home = Arc::new(Self { runtime, answered, arrived });
            tokio::spawn(Open(Arc::clone(&home)).answer());
            Arc::clone(here.insert(home))
        })
    }

    fn answered(&self) -> MutexGuard<'_, Option<Vec<Answered>>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves an answer there. Returns whether it has to be [woken](Self::wake) for it.
    pub(crate) fn leave(&self, answer: Answer, committed: Result<(), Error>) -> bool {
        if let Some(answered) = &mut *self.answered() {
            answered.push((answer, committed));
            return answered.len() == 1;
        }
        answer(committed);
        false
    }

    /// Has what was left there answered.
    pub(crate) fn wake(&self) {
        self.arrived.notify_one();
    }
}

/// A home whose runtime has not ended.
struct Open(Arc<Home>);

impl Open {
    async fn answer(self) {
        loop {
            self.0.arrived.notified().await;
            let answered = self.0.answered().as_mut().map(mem::take);
            give(answered);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let answered = self.0.answered().take();
        give(answered);
    }
}

fn give(answered: Option<Vec<Answered>>) {
    for (answer, committed) in answered.into_iter().flatten() {
        answer(committed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use tokio::runtime::{Builder, Runtime};

    use super::*;

    fn runtime() -> Runtime {
        Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn what_is_left_is_answered_where_it_waits_and_nothing_is_lost_when_that_ends() {
        let (told, answers) = channel();
        let left = |home: &Home| {
            let told = told.clone();
            home.leave(Box::new(move |_| told.send(()).unwrap()), Ok(()))
        };
        let first = runtime();
        let home = first.block_on(async { Home::here() });
        assert!(left(&home), "the first has to be woken for");
        assert!(!left(&home), "the others are answered with it");
        assert!(answers.try_recv().is_err(), "it is not answered here");
        home.wake();
        first.block_on(async {
            while home.answered().as_ref().is_some_and(|left| !left.is_empty()) {
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(answers.try_iter().count(), 2);

        // Another runtime on the same thread has a home of its own: this one may not run again.
        let second = runtime();
        let other = second.block_on(async { Home::here() });
        assert!(!Arc::ptr_eq(&home, &other));
        assert!(Arc::ptr_eq(&other, &second.block_on(async { Home::here() })));

        assert!(left(&home));
        drop(first);
        assert_eq!(answers.try_iter().count(), 1, "what is left when it ends is answered");
        assert!(!left(&home));
        assert_eq!(answers.try_iter().count(), 1, "and what comes later at once");
    }
}
