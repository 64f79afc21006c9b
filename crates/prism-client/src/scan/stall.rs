//! How long a scan has been waiting for its next entry. Only the time during which the caller waits counts, so a slow
//! reader never stalls its own scan.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::deadline::Deadline;

#[derive(Debug)]
pub(super) struct Stall {
    limit: Duration,
    /// Until when the caller waits for the next entry.
    waiting_until: Option<Deadline>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, waiting_until: None, timer: None }
    }

    /// An entry has arrived.
    pub(super) fn progress(&mut self) {
        self.waiting_until = None;
    }

    /// Waits for the stall timeout or the scan's deadline, whichever comes first, and returns the error's message.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, deadline: Option<Deadline>) -> Poll<String> {
        let stalled = self.waiting_until.get_or_insert_with(|| Deadline::after(self.limit)).instant();
        let until = deadline.map_or(stalled, |deadline| deadline.instant().min(stalled));
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(if Instant::now() >= stalled {
            format!("no entry arrived for {:?}", self.limit)
        } else {
            "the scan's deadline passed".to_owned()
        })
    }
}
