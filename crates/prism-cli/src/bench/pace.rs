//! When requests are sent: as soon as the stream is free (closed loop), or at fixed moments (open loop).
//!
//! In an open loop requests are assigned to the workers in turn, each worker has a queue of those that are due, and
//! whichever stream is free takes the next. While all streams wait for responses the queue grows; the latency of a
//! request that is sent late still counts from when it was due, so a server that stalls cannot hide it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::alarm::Alarm;
use super::window::Window;

/// How often a pause is interrupted to check whether the load was stopped.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// Requests that are due within this time are sent together. From some 50,000 a second on, waking for each of them
/// would take more time than a core has, and all would be late.
const GROUP: Duration = Duration::from_micros(50);

/// At the end, requests that are later than this are abandoned: they would be sent after the measured time.
const LATE_MAX: Duration = Duration::from_millis(10);

/// When a stream sends its next request.
#[derive(Clone, Debug)]
pub(super) enum Pace {
    Closed(Arc<Window>),
    Open(Arc<Schedule>),
}

/// A request to send now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// The start of its latency.
    pub(super) due: Instant,
    pub(super) is_measured: bool,
    /// How long after its due time it is sent.
    pub(super) late: Duration,
}

/// A stream's next action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Send(Turn),
    /// This request is so late that the measured time is over.
    GiveUp {
        late: Duration,
        is_measured: bool,
    },
    End,
}

impl Pace {
    /// Waits for the stream's turn; `now` is when its last call ended.
    pub(super) async fn next(&self, now: Instant) -> Next {
        match self {
            Self::Open(schedule) => schedule.next().await,
            Self::Closed(window) => {
                let is_measured = now >= window.begin;
                if window.is_over(now) || is_measured && !window.take_request() {
                    return Next::End;
                }
                Next::Send(Turn { due: now, is_measured, late: Duration::ZERO })
            }
        }
    }
}

/// One worker's share of the requests of an open loop: of all requests, numbered from 0, those whose number modulo
/// `workers` is `worker`.
#[derive(Debug)]
pub(super) struct Schedule {
    window: Arc<Window>,
    rate: f64,
    worker: u64,
    workers: u64,
    /// The number of the first measured request.
    measured_from: u64,
    /// One permit for each request that is due and not taken.
    due: Semaphore,
    taken: AtomicU64,
    /// The number of this worker's requests; unknown while the load runs for a fixed time.
    count: AtomicU64,
}

impl Schedule {
    pub(super) fn new(window: &Arc<Window>, rate: f64, worker: usize, workers: usize) -> Self {
        let (worker, workers) = (worker as u64, workers as u64);
        let measured_from = (window.begin.duration_since(window.start).as_secs_f64() * rate).ceil() as u64;
        let end = measured_from.saturating_add(window.requests_max);
        let count = match window.requests_max {
            u64::MAX => u64::MAX,
            _ => end.saturating_sub(worker).div_ceil(workers),
        };
        Self {
            window: Arc::clone(window),
            rate,
            worker,
            workers,
            measured_from,
            due: Semaphore::new(0),
            taken: AtomicU64::new(0),
            count: AtomicU64::new(count),
        }
    }

    /// Adds requests to the queue as they become due, until the end; then tells all `streams` to stop.
    pub(super) async fn run(&self, streams: usize) -> io::Result<()> {
        let alarm = Alarm::new()?;
        let mut released = 0;
        loop {
            let now = Instant::now();
            let is_over = self.window.is_over(now);
            let due = self.due_until(self.window.end.map_or(now, |end| end.min(now)));
            let due = due.min(self.count.load(Ordering::Relaxed)).max(released);
            self.due.add_permits((due - released) as usize);
            released = due;
            if is_over || released == self.count.load(Ordering::Relaxed) {
                break;
            }
            let next = self.moment(released).min(self.window.end.unwrap_or(now + PAUSE_MAX));
            alarm.wait(next.saturating_duration_since(now).clamp(GROUP, PAUSE_MAX)).await?;
        }
        self.count.store(released, Ordering::Relaxed);
        self.due.add_permits(streams);
        Ok(())
    }

    async fn next(&self) -> Next {
        match self.due.acquire().await {
            Ok(permit) => permit.forget(),
            Err(_) => return Next::End,
        }
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        if number >= self.count.load(Ordering::Relaxed) {
            return Next::End;
        }
        let (due, now) = (self.moment(number), Instant::now());
        let late = now.saturating_duration_since(due);
        let is_measured = number * self.workers + self.worker >= self.measured_from;
        if self.window.is_over(now) && late > LATE_MAX {
            return Next::GiveUp { late, is_measured };
        }
        Next::Send(Turn { due, is_measured, late })
    }

    /// When a request of this worker is due.
    fn moment(&self, number: u64) -> Instant {
        let seconds = (number * self.workers + self.worker) as f64 / self.rate;
        self.window.start + Duration::from_secs_f64(seconds)
    }

    /// How many requests of this worker are due before a moment.
    fn due_until(&self, moment: Instant) -> u64 {
        let all = moment.duration_since(self.window.start).as_secs_f64() * self.rate;
        let own = (all - self.worker as f64) / self.workers as f64;
        // Negative values become 0.
        own.ceil() as u64
    }
}
