//! Admission: which calls are accepted, by how many the process and the connection may have in flight.

use std::sync::atomic::Ordering;

use prism_proto::error::APPLIED;
use prism_proto::{Applied, Error, ErrorReason};

use crate::peer::Peer;
use crate::shared::Shared;

/// The path prefix of health and reflection; plugins' interfaces do not have it.
const HEALTH_AND_REFLECTION: &str = "/grpc.";

/// The one method whose calls no limit refuses.
const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";

/// What a call counts as while it is in flight. It owns nothing: whoever has it [ends](Self::end) it with its peer.
#[derive(Debug)]
pub(crate) enum Admitted {
    /// A call of the connection and the process.
    Call,
    /// Counts against the connection only: a long-lived stream of health or reflection.
    Watch,
    /// Does not count: a health check never waits, and a refused call is not in flight.
    Uncounted,
}

impl Admitted {
    pub(crate) fn new(path: &str, peer: &Peer, shared: &Shared) -> Result<Self, Error> {
        let counters = &shared.counters;
        if path.starts_with(HEALTH_AND_REFLECTION) {
            peer.note_call(counters.number_arrival());
            if path == HEALTH_CHECK {
                return Ok(Self::Uncounted);
            }
            if peer.begin_watch() {
                return Ok(Self::Watch);
            }
            return Err(refused(
                shared,
                "this connection has reached its limit of streams of health and reflection",
                shared.limits.connection_watches_max,
            ));
        }
        if !peer.begin_call() {
            return Err(refused(
                shared,
                "this connection has too many calls in flight; wait for some to end, or use another connection",
                shared.limits.connection_in_flight_max,
            ));
        }
        let in_flight_max = i64::try_from(shared.limits.in_flight_max).unwrap_or(i64::MAX);
        if counters.in_flight.fetch_add(1, Ordering::Relaxed) >= in_flight_max {
            counters.in_flight.fetch_sub(1, Ordering::Relaxed);
            peer.end_call();
            return Err(refused(
                shared,
                "too many calls are in flight; retry later",
                shared.limits.in_flight_max,
            ));
        }
        peer.note_call(counters.number_call());
        Ok(Self::Call)
    }

    /// Stops counting the call.
    pub(crate) fn end(&self, peer: &Peer) {
        match self {
            Self::Call => {
                peer.counters.in_flight.fetch_sub(1, Ordering::Relaxed);
                peer.end_call();
            }
            Self::Watch => peer.end_watch(),
            Self::Uncounted => {}
        }
    }
}

fn refused(shared: &Shared, why: &'static str, limit: usize) -> Error {
    shared.counters.calls_refused_total.fetch_add(1, Ordering::Relaxed);
    Error::new(ErrorReason::TooManyInFlight, why)
        .with("limit", limit.to_string())
        .with(APPLIED, Applied::No.as_str())
}
