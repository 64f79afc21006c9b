//! Calls that are held back for a moment, so that those caused by one burst of results leave together: several share
//! one wake-up of the background thread and one write to the socket.
//!
//! ```text
//!   drain, more than one result ──▶ holding ──8 calls──▶ they leave, and holding continues
//!                                      └──the burst's tasks have run──▶ they leave, and calls leave at once again
//! ```
//!
//! A single call is never held. A held call waits for other tasks of its burst, during which its result could not be
//! delivered anyway.

use crate::runtime::{Runtime, Work};

/// Enough to share the costs, but few enough that the server starts on the first while the last is being made.
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

    /// Starts what is held, and stops holding.
    pub(super) fn release(&mut self, runtime: &Runtime) {
        self.holding = false;
        runtime.spawn(self.works.drain(..));
    }
}
