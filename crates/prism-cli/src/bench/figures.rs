//! What one worker measures.

use std::time::{Duration, Instant};

use hdrhistogram::{CreationError, Histogram};
use tonic::Code;

use super::pace::Turn;

/// The longest latency that is distinguished from longer ones: an hour, in nanoseconds.
const LATENCY_MAX: u64 = 3_600_000_000_000;

/// Latencies have three significant digits.
const DIGITS: u8 = 3;

/// The number of gRPC codes.
const CODES: usize = 17;

/// The results of the calls of one kind.
#[derive(Debug)]
pub(super) struct CallFigures {
    pub(super) errors: u64,
    /// Sent and received, with gRPC's framing.
    pub(super) bytes: u64,
    /// Nanoseconds of every call, failed ones included.
    pub(super) latency: Histogram<u64>,
}

/// The results of all calls.
#[derive(Debug)]
pub(super) struct Figures {
    /// One for each kind of the mix.
    pub(super) calls: Vec<CallFigures>,
    codes: [u64; CODES],
    /// Gets that found no key, if that is not an error.
    pub(super) not_found: u64,
    pub(super) late_max: Duration,
    /// Requests that were due but abandoned.
    pub(super) unsent: u64,
    /// When the last call ended.
    pub(super) ended: Option<Instant>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    Answered,
    NotFound,
    Failed(Code),
}

impl Figures {
    pub(super) fn new(kinds: usize) -> Result<Self, CreationError> {
        let call = |_| {
            let latency = Histogram::new_with_bounds(1, LATENCY_MAX, DIGITS)?;
            Ok(CallFigures { errors: 0, bytes: 0, latency })
        };
        let calls = (0..kinds).map(call).collect::<Result<_, _>>()?;
        let (not_found, unsent) = (0, 0);
        Ok(Self { calls, codes: [0; CODES], not_found, late_max: Duration::ZERO, unsent, ended: None })
    }

    /// Records a call of the mix's kind `index` that has just ended.
    pub(super) fn record(
        &mut self,
        index: usize,
        turn: Turn,
        ended: Instant,
        outcome: Outcome,
        bytes: usize,
    ) {
        let call = &mut self.calls[index];
        let latency = ended.saturating_duration_since(turn.due).as_nanos();
        call.latency.saturating_record(u64::try_from(latency).unwrap_or(u64::MAX));
        call.bytes += bytes as u64;
        match outcome {
            Outcome::Answered => {}
            Outcome::NotFound => self.not_found += 1,
            Outcome::Failed(code) => {
                call.errors += 1;
                self.codes[code as usize] += 1;
            }
        }
        self.late_max = self.late_max.max(turn.late);
        self.ended = self.ended.max(Some(ended));
    }

    /// Records an abandoned request.
    pub(super) fn give_up(&mut self, late: Duration) {
        self.unsent += 1;
        self.late_max = self.late_max.max(late);
    }

    /// Adds another worker's results.
    pub(super) fn add(&mut self, other: &Self) {
        for (call, more) in self.calls.iter_mut().zip(&other.calls) {
            call.errors += more.errors;
            call.bytes += more.bytes;
            // Histograms of the same bounds can always be added.
            let _ = call.latency.add(&more.latency);
        }
        for (count, more) in self.codes.iter_mut().zip(other.codes) {
            *count += more;
        }
        self.not_found += other.not_found;
        self.late_max = self.late_max.max(other.late_max);
        self.unsent += other.unsent;
        self.ended = self.ended.max(other.ended);
    }

    pub(super) fn requests(&self) -> u64 {
        self.calls.iter().map(|call| call.latency.len()).sum()
    }

    /// The codes of failed calls, with the number of each.
    pub(super) fn errors(&self) -> impl Iterator<Item = (Code, u64)> {
        let counted = self.codes.iter().enumerate().filter(|(_, count)| **count > 0);
        counted.map(|(code, count)| (Code::from_i32(code as i32), *count))
    }
}
