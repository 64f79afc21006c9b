//! The measured time: when it starts, and when no further request is sent.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::plan::{Plan, Until};

/// From the start of the load, over its warm-up, to the end of the measured time.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) start: Instant,
    /// Requests from here on are measured.
    pub(super) begin: Instant,
    /// `None`: ends with the last request.
    pub(super) end: Option<Instant>,
    pub(super) requests_max: u64,
    /// Measured requests of a closed loop that have started.
    begun: AtomicU64,
    stopped: AtomicBool,
}

impl Window {
    /// A window that starts now.
    pub(super) fn new(plan: &Plan) -> Self {
        let start = Instant::now();
        let begin = start + plan.warmup;
        let (end, requests_max) = match plan.until {
            Until::Elapsed(duration) => (Some(begin + duration), u64::MAX),
            Until::Requests(requests) => (None, requests),
        };
        let (begun, stopped) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { start, begin, end, requests_max, begun, stopped }
    }

    /// Ends it early.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.end.is_some_and(|end| now >= end) || self.is_stopped()
    }

    /// Takes one of the requests to measure; false if none is left.
    pub(super) fn take_request(&self) -> bool {
        // The counter is shared by all threads, and useless without a limit.
        self.requests_max == u64::MAX || self.begun.fetch_add(1, Ordering::Relaxed) < self.requests_max
    }

    /// How long it was open: until it was stopped, its time was over, or its last request had ended.
    pub(super) fn measured(&self, stopped: Option<Instant>, last: Option<Instant>) -> Duration {
        let ended = match (stopped, self.end) {
            (Some(stopped), Some(end)) => Some(stopped.min(end)),
            (stopped, end) => stopped.or(end).or(last),
        };
        ended.map_or(Duration::ZERO, |ended| ended.saturating_duration_since(self.begin))
    }
}
