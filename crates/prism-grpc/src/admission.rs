//! Which calls are let in: as many as the process and the connection may have under way.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use prism_proto::error::APPLIED;
use prism_proto::{Applied, Error, ErrorReason};

use crate::peer::{Peer, WATCHES_MAX};
use crate::shared::Shared;

/// What health and reflection begin with; the interfaces of plugins do not.
const HEALTH_AND_REFLECTION: &str = "/grpc.";

/// The one call that no limit refuses.
const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";

/// Counts a call while it is under way, however it ends.
pub(crate) enum Admitted {
    /// For the connection and the process.
    Call(Arc<Peer>, Arc<Shared>),
    /// For the connection alone: a stream of health or reflection, which lasts.
    Watch(Arc<Peer>),
    /// Not at all: a health check never waits.
    Check,
}

impl Admitted {
    pub(crate) fn new(path: &str, peer: &Arc<Peer>, shared: &Arc<Shared>) -> Result<Self, Error> {
        if path.starts_with(HEALTH_AND_REFLECTION) {
            if path == HEALTH_CHECK {
                return Ok(Self::Check);
            }
            let begun = peer.begin_watch();
            return if begun {
                Ok(Self::Watch(Arc::clone(peer)))
            } else {
                Err(refused(
                    shared,
                    "this connection has as many streams of health and reflection as it may",
                    WATCHES_MAX,
                ))
            };
        }
        if !peer.begin_call() {
            return Err(refused(
                shared,
                "this connection has too many calls under way at once; wait for some to end, or use another connection",
                peer.calls_max(),
            ));
        }
        let in_flight_max = i64::try_from(shared.limits.in_flight_max).unwrap_or(i64::MAX);
        let counters = &shared.counters;
        if counters.in_flight.fetch_add(1, Ordering::Relaxed) >= in_flight_max {
            counters.in_flight.fetch_sub(1, Ordering::Relaxed);
            peer.end_call();
            return Err(refused(
                shared,
                "too many calls are under way at once; try again later",
                shared.limits.in_flight_max,
            ));
        }
        counters.calls_total.fetch_add(1, Ordering::Relaxed);
        Ok(Self::Call(Arc::clone(peer), Arc::clone(shared)))
    }
}

fn refused(shared: &Shared, why: &'static str, limit: usize) -> Error {
    shared.counters.calls_refused_total.fetch_add(1, Ordering::Relaxed);
    Error::new(ErrorReason::TooManyInFlight, why)
        .with("limit", limit.to_string())
        .with(APPLIED, Applied::No.as_str())
}

impl Drop for Admitted {
    fn drop(&mut self) {
        match self {
            Self::Call(peer, shared) => {
                shared.counters.in_flight.fetch_sub(1, Ordering::Relaxed);
                peer.end_call();
            }
            Self::Watch(peer) => peer.end_watch(),
            Self::Check => {}
        }
    }
}
