//! The store: a handle that is cheap to clone, and what it offers beyond the patterns.

use std::sync::Arc;
use std::time::Duration;

use prism_plugin::Durability;

use crate::config::{self, Mode, Settings};
use crate::leases::sweep;
use crate::probe::probe;
use crate::shared::Shared;
use crate::state::{Found, NOEVICTION, Persistence, State};
use crate::watch::check;

/// A store on Redis or Valkey. Cheap to clone; its connections belong to the workers that use it.
#[derive(Clone, Debug)]
pub struct RedisStore {
    pub(crate) shared: Arc<Shared>,
}

/// A store with these settings. Nothing is connected to until the first call, or until [`RedisStore::watch`] runs.
#[must_use]
pub fn open(settings: Settings) -> RedisStore {
    RedisStore { shared: Arc::new(Shared::new(settings)) }
}

impl RedisStore {
    /// Connects and asks the servers what they are.
    ///
    /// # Errors
    /// Why they cannot be reached or cannot be used, in words; no secrets.
    pub async fn probe(&self) -> Result<Found, String> {
        let found = probe(&self.shared).await?;
        self.shared.known.set_found(found.clone());
        Ok(found)
    }

    /// Whether the servers serve, as the last check found; [`State::NeverConnected`] before [`RedisStore::watch`] runs.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared.known.state()
    }

    /// What the last probe found.
    #[must_use]
    pub fn found(&self) -> Option<Found> {
        self.shared.known.found()
    }

    /// Checks the servers about once a second, for as long as it is polled, and calls `changed` with each new state. It also
    /// notices a primary that has changed although nobody calls, and returns the values of leases that have ended.
    pub async fn watch<F: Future<Output = ()>>(&self, changed: impl Fn(State) -> F) {
        let watching = crate::watch::watch(&self.shared, || changed(self.state()));
        tokio::join!(watching, sweep(&self.shared));
    }

    /// Checks the servers once.
    ///
    /// # Errors
    /// Why they do not serve, in words; no secrets.
    pub async fn check(&self) -> Result<(), String> {
        check(&self.shared).await
    }

    /// Whether data is lost when the servers end, as far as is known; true until a probe says otherwise.
    pub(crate) fn is_in_memory(&self) -> bool {
        self.found().is_none_or(|found| found.persistence == Persistence::None)
    }

    /// Whether keys may vanish before their time, as far as is known; true until a probe says otherwise.
    pub(crate) fn may_evict(&self) -> bool {
        self.found().is_none_or(|found| found.evicts || found.eviction_policy.is_none())
    }

    /// Whether the answers to calls under idempotency keys are kept: they vanish where the servers may evict keys. `None` until a
    /// probe says.
    pub(crate) fn keeps_answers(&self) -> Option<bool> {
        Some(self.found()?.eviction_policy.as_deref() == Some(NOEVICTION))
    }

    /// What an acknowledged write survives, if it is known. A failover may lose any that does not wait for replicas, and what a
    /// snapshot loses depends on when it was taken.
    pub(crate) fn durability(&self) -> Option<Durability> {
        let settings = &self.shared.settings;
        if let Some(config::Durability { replicas, .. }) = settings.durability {
            return Some(Durability::Replicated { replicas });
        }
        match self.found()?.persistence {
            Persistence::None => Some(Durability::None),
            Persistence::Log(Some(sync)) if settings.mode == Mode::Standalone => match sync.as_str() {
                "always" => Some(Durability::EveryWrite),
                "everysec" => Some(Durability::Periodic { period: Duration::from_secs(1) }),
                _ => None,
            },
            Persistence::Log(_) | Persistence::Snapshots => None,
        }
    }

    /// Whether calls on one key take effect one at a time: only without failover, which may lose acknowledged writes.
    pub(crate) fn is_linearizable(&self) -> bool {
        self.shared.settings.mode == Mode::Standalone
    }
}
