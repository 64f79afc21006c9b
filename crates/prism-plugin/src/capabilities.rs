//! What a backend promises beyond the interface itself.

pub(crate) mod words;

use std::time::Duration;

use prism_proto::interfaces::capabilities::{self as proto, GetCapabilitiesResponse, durability::Level};

/// Promises that callers may rely on, served as `prism.interfaces.capabilities` and checked by the conformance
/// suite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Scans return keys in ascending byte order, and `start_after` works.
    pub ordered: bool,
    /// A key whose Set was acknowledged before a scan began, and that is not deleted until the scan ends, appears
    /// in it exactly once.
    pub scan_exactly_once: bool,
    /// Count is exact while nothing changes.
    pub exact_count: bool,
    /// Calls on one key, and calls on one list, take effect one at a time, each between its start and its
    /// acknowledgement.
    pub linearizable: bool,
    /// Not a promise but a warning: all data is in memory, and lost when the backend ends.
    pub in_memory: bool,
    /// Scans return resume tokens, and can be continued with them.
    pub resumable: bool,
    /// Not a promise but a warning: keys may vanish before their time to live is over.
    pub evicts: bool,
    /// What an acknowledged write survives; `None` if the backend does not know.
    pub durability: Option<Durability>,
    /// Calls under an idempotency key may be repeated without being applied twice: see
    /// [`IdempotentRetries`](crate::IdempotentRetries).
    pub idempotent_retries: bool,
}

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing that ends the backend.
    None,
    /// The end of the backend; at the end of its machine, the writes of the last `period` are lost.
    Periodic {
        /// How often writes get to disk.
        period: Duration,
    },
    /// The end of the machine.
    EveryWrite,
    /// The loss of the machine.
    Replicated {
        /// How many other servers have each write before it is acknowledged.
        replicas: u32,
    },
}

impl From<Capabilities> for GetCapabilitiesResponse {
    fn from(promised: Capabilities) -> Self {
        Self {
            ordered: promised.ordered,
            scan_exactly_once: promised.scan_exactly_once,
            exact_count: promised.exact_count,
            linearizable: promised.linearizable,
            in_memory: promised.in_memory,
            resumable: promised.resumable,
            evicts: promised.evicts,
            durability: promised.durability.map(Into::into),
            idempotent_retries: promised.idempotent_retries,
        }
    }
}

impl From<GetCapabilitiesResponse> for Capabilities {
    fn from(answer: GetCapabilitiesResponse) -> Self {
        Self {
            ordered: answer.ordered,
            scan_exactly_once: answer.scan_exactly_once,
            exact_count: answer.exact_count,
            linearizable: answer.linearizable,
            in_memory: answer.in_memory,
            resumable: answer.resumable,
            evicts: answer.evicts,
            durability: answer.durability.and_then(durability),
            idempotent_retries: answer.idempotent_retries,
        }
    }
}

impl From<Durability> for proto::Durability {
    fn from(promised: Durability) -> Self {
        let of = |level: Level| Self { level: level.into(), ..Self::default() };
        match promised {
            Durability::None => of(Level::None),
            Durability::Periodic { period } => {
                let period_millis = i64::try_from(period.as_millis()).unwrap_or(i64::MAX);
                Self { period_millis, ..of(Level::Periodic) }
            }
            Durability::EveryWrite => of(Level::EveryWrite),
            Durability::Replicated { replicas } => {
                let replicas = i32::try_from(replicas).unwrap_or(i32::MAX);
                Self { replicas, ..of(Level::Replicated) }
            }
        }
    }
}

/// `None` for a level that a later version of the contract has.
fn durability(answer: proto::Durability) -> Option<Durability> {
    match answer.level() {
        Level::Unspecified => None,
        Level::None => Some(Durability::None),
        Level::Periodic => {
            let period = Duration::from_millis(u64::try_from(answer.period_millis).unwrap_or_default());
            Some(Durability::Periodic { period })
        }
        Level::EveryWrite => Some(Durability::EveryWrite),
        Level::Replicated => {
            Some(Durability::Replicated { replicas: u32::try_from(answer.replicas).unwrap_or_default() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_survive_the_wire() {
        let period = Duration::from_secs(1);
        for durability in [
            None,
            Some(Durability::None),
            Some(Durability::Periodic { period }),
            Some(Durability::EveryWrite),
            Some(Durability::Replicated { replicas: 2 }),
        ] {
            for yes in [false, true] {
                let promised = Capabilities {
                    evicts: yes,
                    idempotent_retries: yes,
                    durability,
                    ..Capabilities::default()
                };
                assert_eq!(Capabilities::from(GetCapabilitiesResponse::from(promised)), promised);
            }
        }
        let later = proto::Durability { level: 99, ..proto::Durability::default() };
        assert_eq!(durability(later), None);
    }
}
