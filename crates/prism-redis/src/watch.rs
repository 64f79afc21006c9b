//! Checking the servers while nobody calls, so that health tells the truth and a new primary is found.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::config::Mode;
use crate::discover::discover;
use crate::fault::Fault;
use crate::lane::Lane;
use crate::probe::{probe, read_nobodys_key};
use crate::route::topology;
use crate::shared::Shared;
use crate::state::{Eviction, State};

/// How often the servers are checked.
const EVERY: Duration = Duration::from_secs(1);

/// How long a check may take, and a server in it: a paused one fails it.
const CHECK_MAX: Duration = Duration::from_secs(4);
const NODE_MAX: Duration = Duration::from_secs(1);

/// After how many checks the servers are asked again what they are.
const PROBE_EVERY: u32 = 30;

/// Checks the servers for ever, and calls `changed` when the state has.
pub(crate) async fn watch<F: Future<Output = ()>>(shared: &Arc<Shared>, changed: impl Fn() -> F) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut until_probe = 0;
    loop {
        ticks.tick().await;
        let checked = check(shared).await;
        if checked.is_ok() && until_probe == 0 {
            until_probe = PROBE_EVERY;
            learn(shared).await;
        }
        until_probe = until_probe.saturating_sub(1);
        if shared.known.record(&checked) {
            log(shared);
            if checked.is_err() {
                until_probe = 0;
            }
            changed().await;
        }
    }
}

/// Checks the servers once.
///
/// # Errors
/// Why they do not serve, in words.
pub(crate) async fn check(shared: &Arc<Shared>) -> Result<(), String> {
    let checked = timeout(CHECK_MAX, async {
        if shared.settings.mode != Mode::Standalone {
            discover(shared).await?;
        }
        let topology = topology(shared).await?;
        let checks = topology.primaries().iter().map(|address| async move {
            let checked = timeout(NODE_MAX, async {
                let connection = shared.worker().node(address).link(Lane::Small).connection().await?;
                read_nobodys_key(shared, &connection).await
            });
            let overdue = || Fault::Unreachable(format!("{address} did not answer within {NODE_MAX:?}"));
            checked.await.unwrap_or_else(|_| Err(overdue()))
        });
        // A cluster that has lost one primary still serves the others' slots.
        let mut checks = join_all(checks).await;
        let evictions = checks.iter().filter_map(|checked| checked.as_ref().ok().cloned());
        if let Some(eviction) = evictions.reduce(Eviction::and) {
            shared.known.set_eviction(eviction);
        }
        match checks.iter().position(Result::is_ok) {
            Some(_) if checks.len() == 1 || shared.settings.mode == Mode::Cluster => Ok(()),
            _ => {
                let none = || Err(Fault::Unreachable("no server is configured".to_owned()));
                checks.pop().unwrap_or_else(none).map(drop)
            }
        }
    });
    match checked.await {
        Ok(checked) => checked.map_err(|fault| fault.words()),
        Err(_) => Err(format!("{} did not answer within {CHECK_MAX:?}", shared.settings.servers())),
    }
}

async fn learn(shared: &Arc<Shared>) {
    match probe(shared).await {
        Ok(found) => {
            if shared
                .known
                .found()
                .is_none_or(|known| known.version != found.version || known.persistence != found.persistence)
            {
                tracing::info!(%found, "connected");
            }
            if found.evicts {
                tracing::debug!("the server evicts keys when it is full");
            }
            shared.known.set_found(found);
        }
        Err(why) => tracing::debug!(why, "the servers do not say what they are"),
    }
}

fn log(shared: &Shared) {
    match shared.known.state() {
        State::NeverConnected => {}
        State::Ready => tracing::info!(servers = shared.settings.servers(), "ready"),
        State::Failing { error, .. } => tracing::warn!(why = error, "not serving until this is over"),
    }
}
