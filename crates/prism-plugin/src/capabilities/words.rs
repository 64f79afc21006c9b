//! What capabilities mean for a namespace, in plain sentences.

use serde::Serialize;

use super::{Capabilities, Durability};

/// A capability, and what it means for a namespace that it is declared or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Promise {
    /// Its name in the contract, such as `ordered`.
    pub capability: &'static str,
    /// Whether the backend declares it.
    pub declared: bool,
    /// What a namespace on this backend can rely on, or cannot.
    pub meaning: &'static str,
}

impl Capabilities {
    /// What each yes or no means.
    #[must_use]
    pub fn promises(&self) -> [Promise; 7] {
        let promise = |capability, declared, [yes, no]: [&'static str; 2]| Promise {
            capability,
            declared,
            meaning: if declared { yes } else { no },
        };
        [
            promise(
                "ordered",
                self.ordered,
                [
                    "scans return keys in ascending byte order, and can be reversed or begin at any key",
                    "scans return keys in no particular order",
                ],
            ),
            promise(
                "scan_exactly_once",
                self.scan_exactly_once,
                [
                    "a scan returns each key that exists all the while exactly once",
                    "a scan may return a key twice",
                ],
            ),
            promise(
                "exact_count",
                self.exact_count,
                ["Count is exact while nothing changes", "Count may be an estimate"],
            ),
            promise(
                "linearizable",
                self.linearizable,
                [
                    "calls on one key or list take effect one at a time, and a read sees every write acknowledged before it",
                    "a read may miss a write that was acknowledged before it",
                ],
            ),
            promise(
                "resumable",
                self.resumable,
                [
                    "an interrupted scan or export goes on where it was",
                    "an interrupted scan or export starts over",
                ],
            ),
            promise(
                "evicts",
                self.evicts,
                [
                    "keys may vanish before their time to live is over",
                    "keys stay until their time to live is over",
                ],
            ),
            promise(
                "idempotent_retries",
                self.idempotent_retries,
                [
                    "clients retry pushes, pops, increments and conditional writes, and none is applied twice",
                    "a push, pop, increment or conditional write whose answer is lost may have been applied",
                ],
            ),
        ]
    }

    /// What a namespace on this backend can lose, in one sentence without a full stop.
    #[must_use]
    pub fn can_lose(&self) -> String {
        let lost = match self.durability {
            Some(Durability::None) => "everything, when the backend ends".to_owned(),
            None if self.in_memory => "everything, when the backend ends".to_owned(),
            Some(Durability::Periodic { period }) => {
                format!("the writes of the last {period:?}, when the backend's machine fails")
            }
            Some(Durability::EveryWrite) => "nothing that was acknowledged, unless a disk fails".to_owned(),
            Some(Durability::Replicated { replicas }) => {
                format!("nothing that was acknowledged, unless {} servers fail", replicas.saturating_add(1))
            }
            None => Self::LOSES_UNKNOWN.to_owned(),
        };
        match self.evicts {
            true => format!("{lost}; and keys before their time, when the backend's memory is full"),
            false => lost,
        }
    }

    /// The same for a backend that reports nothing.
    pub const LOSES_UNKNOWN: &'static str = "unknown: the backend does not report what it keeps";
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_sentence_says_what_can_be_lost() {
        let sentence = |durability, in_memory, evicts| {
            Capabilities { durability, in_memory, evicts, ..Capabilities::default() }.can_lose()
        };
        let period = Duration::from_secs(1);
        for (durability, in_memory, expected) in [
            (Some(Durability::None), true, "everything, when the backend ends"),
            (None, true, "everything, when the backend ends"),
            (None, false, Capabilities::LOSES_UNKNOWN),
            (
                Some(Durability::Periodic { period }),
                false,
                "the writes of the last 1s, when the backend's machine fails",
            ),
            (Some(Durability::EveryWrite), false, "nothing that was acknowledged, unless a disk fails"),
            (
                Some(Durability::Replicated { replicas: 2 }),
                false,
                "nothing that was acknowledged, unless 3 servers fail",
            ),
        ] {
            assert_eq!(sentence(durability, in_memory, false), expected);
            let evicting = sentence(durability, in_memory, true);
            assert_eq!(
                evicting,
                format!("{expected}; and keys before their time, when the backend's memory is full")
            );
        }
    }

    #[test]
    fn every_promise_means_something_else_if_it_is_not_made() {
        let all = Capabilities {
            ordered: true,
            scan_exactly_once: true,
            exact_count: true,
            linearizable: true,
            resumable: true,
            evicts: true,
            idempotent_retries: true,
            ..Capabilities::default()
        };
        for (made, not_made) in all.promises().iter().zip(Capabilities::default().promises()) {
            assert!(made.declared && !not_made.declared, "{made:?}");
            assert_eq!(made.capability, not_made.capability);
            assert_ne!(made.meaning, not_made.meaning);
        }
    }
}
