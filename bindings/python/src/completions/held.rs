//! Calls that are held back for a moment, so that those which one burst of results gives rise to leave together: one
//! wake-up of the background thread and one write to the socket for several.
//!
//! ```text
//!   drain, more than one result ──▶ holding ──8 calls──▶ they leave, and holding goes on
//!                                      └──the burst's tasks have run──▶ they leave, and calls leave at once again
//! ```
//!
//! A single call is never held. A held one waits for other tasks of its burst, during which its result could not have
//! been delivered anyway.

use crate::runtime::{Runtime, Work};

/// Enough to share the costs, and few enough that the server starts on the first while the last is being made.
const HELD_MAX: usize = 8;

#[derive(Default)]
pub(super) struct Held {
    works: Vec<Work>,
    holding: bool,
}

impl Held {
    /// From now on calls are held.
    pub(super) fn hold(&mut self) {
        self.holding = true;
    }

    /// Starts the work, or holds it.
    pub(super) fn add(&mut self, work: Work, runtime: &Runtime) {
        if self.holding {
            self.works.push(work);
            if self.works.len() == HELD_MAX {
                runtime.spawn(self.works.drain(..));
            }
        } else {
            runtime.spawn([work]);
        }
    }

    /// Starts what is held, and holds no more.
    pub(super) fn release(&mut self, runtime: &Runtime) {
        self.holding = false;
        runtime.spawn(self.works.drain(..));
    }
}
