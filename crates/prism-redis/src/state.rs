//! What is known about the servers: whether they can be reached, and what they are.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::answer::info_field;

/// Whether the servers serve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nobody has connected yet.
    #[default]
    NeverConnected,
    /// The last check succeeded.
    Ready,
    /// The last checks failed.
    Failing {
        /// Since when.
        since: SystemTime,
        /// Why, in words; no secrets.
        error: String,
    },
}

/// What was found when the servers were asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// `redis` or `valkey`.
    pub product: String,
    /// The version.
    pub version: String,
    /// `standalone`, `sentinel` or `cluster`.
    pub mode: String,
    /// `master`, or `replica`.
    pub role: String,
    /// What survives the end of the server.
    pub persistence: Persistence,
    /// `maxmemory-policy`, such as `noeviction`; `None` if the user may not read it.
    pub eviction_policy: Option<String>,
    /// Whether keys may vanish before their time: there is a memory limit, and a policy that evicts.
    pub evicts: bool,
    /// The replicas that are connected to the primary; of a cluster, to the one that was asked.
    pub replicas: u64,
    /// Primaries that serve slots; 1 without a cluster.
    pub nodes: usize,
    /// The bytes that the server uses, and its limit; of a cluster, of all primaries together.
    pub memory_bytes: Option<u64>,
    /// The limit of those bytes; `None` for none.
    pub memory_bytes_max: Option<u64>,
}

/// What a server does when it is full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Eviction {
    /// `maxmemory-policy`; `None` if the user may not read it.
    pub(crate) policy: Option<String>,
    /// Whether keys may vanish before their time.
    pub(crate) evicts: bool,
}

impl Eviction {
    /// What `INFO` says about it.
    pub(crate) fn read(info: &str) -> Self {
        let policy = info_field(info, "maxmemory_policy").map(str::to_owned);
        let bytes_max = info_field(info, "maxmemory").and_then(|bytes| bytes.parse::<u64>().ok());
        let evicts = bytes_max.is_some_and(|bytes| bytes > 0)
            && policy.as_deref().is_some_and(|policy| policy != NOEVICTION);
        Self { policy, evicts }
    }

    /// What holds for two servers together: what may vanish anywhere may vanish.
    pub(crate) fn and(self, other: Self) -> Self {
        let policy = match (self.policy, other.policy) {
            (Some(one), Some(other)) if one == NOEVICTION => Some(other),
            (Some(one), Some(_)) => Some(one),
            _ => None,
        };
        Self { policy, evicts: self.evicts || other.evicts }
    }
}

/// The policy under which nothing vanishes.
pub(crate) const NOEVICTION: &str = "noeviction";

/// What survives the end of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Nothing.
    None,
    /// The last snapshot.
    Snapshots,
    /// The log of writes, synced as `appendfsync` says: `always`, `everysec` or `no`; `None` if the user may not read it.
    Log(Option<String>),
}

impl fmt::Display for Persistence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Snapshots => f.write_str("snapshots"),
            Self::Log(None) => f.write_str("append-only file"),
            Self::Log(Some(sync)) => write!(f, "append-only file, appendfsync {sync}"),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { product, version, mode, role, persistence, nodes, replicas, .. } = self;
        write!(
            f,
            "{product} {version}, {mode}, {role}; {nodes} primaries, {replicas} replicas of the one asked; "
        )?;
        let policy = self.eviction_policy.as_deref().unwrap_or("not readable");
        write!(f, "persistence: {persistence}; eviction policy: {policy}")
    }
}

/// The state as the checks leave it behind.
#[derive(Debug, Default)]
pub(crate) struct Known {
    state: Mutex<State>,
    found: Mutex<Option<Found>>,
}

impl Known {
    pub(crate) fn state(&self) -> State {
        locked(&self.state).clone()
    }

    pub(crate) fn found(&self) -> Option<Found> {
        locked(&self.found).clone()
    }

    /// What the servers do when they are full, which may change while they serve.
    pub(crate) fn set_eviction(&self, eviction: Eviction) {
        if let Some(found) = &mut *locked(&self.found) {
            (found.eviction_policy, found.evicts) = (eviction.policy, eviction.evicts);
        }
    }

    pub(crate) fn set_found(&self, found: Found) {
        *locked(&self.found) = Some(found);
    }

    /// Records how a check ended, and returns whether that is news.
    pub(crate) fn record(&self, checked: &Result<(), String>) -> bool {
        let mut state = locked(&self.state);
        let next = match (checked, &*state) {
            (Ok(()), _) => State::Ready,
            (Err(error), State::Failing { since, .. }) => {
                State::Failing { since: *since, error: error.clone() }
            }
            (Err(error), _) => State::Failing { since: SystemTime::now(), error: error.clone() },
        };
        let is_news = next != *state;
        *state = next;
        is_news
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_vanish_anywhere_may_vanish() {
        let read = |policy: &str, limit: u32| {
            Eviction::read(&format!("maxmemory:{limit}\r\nmaxmemory_policy:{policy}\r\n"))
        };
        let (keeps, evicts) = (read("noeviction", 1), read("allkeys-lru", 1));
        assert!(!keeps.evicts && evicts.evicts && !read("allkeys-lru", 0).evicts);
        assert_eq!(keeps.clone().and(keeps.clone()), keeps);
        assert_eq!(
            (keeps.clone().and(evicts.clone()), evicts.clone().and(keeps.clone())),
            (evicts.clone(), evicts)
        );
        assert_eq!(keeps.and(Eviction::read("")).policy, None);
    }

    #[test]
    fn a_failure_keeps_the_moment_it_began() {
        let known = Known::default();
        assert_eq!(known.state(), State::NeverConnected);
        assert!(known.record(&Err("refused".to_owned())));
        let State::Failing { since, .. } = known.state() else { panic!("it failed") };
        assert!(!known.record(&Err("refused".to_owned())), "the same again is no news");
        assert!(known.record(&Err("loading".to_owned())));
        assert_eq!(known.state(), State::Failing { since, error: "loading".to_owned() });
        assert!(known.record(&Ok(())));
        assert_eq!(known.state(), State::Ready);
    }
}
