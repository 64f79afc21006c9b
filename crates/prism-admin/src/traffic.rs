//! What the proxies carry, over the last 15 minutes: each proxy's `/traffic` is asked every 5 s, and what has been added
//! since the answer before becomes a point. A proxy that does not answer leaves a gap and not a zero: where
//! only some answer, figures are theirs, and nothing is unknown and not zero.

mod history;
mod page;
mod point;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::proxies::Proxies;
use history::History;
pub(crate) use history::Series;
use page::Page;
pub(crate) use point::Point;
use point::{Added, Before, Counts};

/// Time between two points. Scrapes of this kind are usually 15 s apart; eyes on a page want more.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// Those who may follow at once. Each holds one of the 256 connections of the port; three quarters are for all else.
pub(crate) const FOLLOWERS_MAX: usize = 64;

/// The figures. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Traffic {
    state: Arc<Mutex<State>>,
    /// Told after each point.
    ticks: watch::Sender<()>,
    /// A permit for each of those who may follow.
    followers: Arc<Semaphore>,
}

/// The newest figures, and those before.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) history: History,
    /// Each proxy, and why it did not answer.
    pub(crate) proxies: Vec<(String, Option<String>)>,
    pub(crate) in_flight: HashMap<String, i64>,
    /// What the proxies say of the backends, by endpoint; the worst where they differ.
    pub(crate) backends: HashMap<String, Seen>,
}

/// What the proxies report of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Whether it is reached; `None`: nothing was asked of it.
    pub(crate) ready: Option<bool>,
    pub(crate) error: Option<String>,
}

impl Default for Traffic {
    fn default() -> Self {
        let followers = Arc::new(Semaphore::new(FOLLOWERS_MAX));
        Self { state: Arc::default(), ticks: watch::Sender::new(()), followers }
    }
}

impl Traffic {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A permit to follow; `None`: too many do.
    pub(crate) fn follow(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.followers).try_acquire_owned().ok()
    }

    /// What is told after each point.
    pub(crate) fn ticks(&self) -> watch::Receiver<()> {
        self.ticks.subscribe()
    }

    /// Asks the proxies, again and again, until told to stop.
    pub async fn watch(self, proxies: Proxies, stop: CancellationToken) {
        let mut before = HashMap::new();
        let mut due = tokio::time::interval(INTERVAL);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let asking = async {
            loop {
                due.tick().await;
                self.ask(&proxies, &mut before).await;
                self.ticks.send_replace(());
            }
        };
        stop.run_until_cancelled(asking).await;
    }

    async fn ask(&self, proxies: &Proxies, before: &mut HashMap<String, Before>) {
        let pages = proxies.each(|url| async move { proxies.ask::<Page>(&url, "/traffic").await });
        let (pages, statuses) = tokio::join!(pages, proxies.statuses());
        let mut added = Added::default();
        let (mut in_flight, mut told) = (HashMap::new(), Vec::new());
        for (url, page) in pages {
            let url = url.to_string();
            let error = match page {
                Ok(page) => {
                    for namespace in &page.namespaces {
                        *in_flight.entry(namespace.name.clone()).or_default() += namespace.in_flight;
                    }
                    added.add(before.get(&url), &page);
                    before.insert(url.clone(), Before::of(page));
                    None
                }
                Err(error) => {
                    added.is_partial = true;
                    Some(error.to_string())
                }
            };
            told.push((url, error));
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut state = self.state();
        state.history.push(now.as_secs(), added);
        state.in_flight = in_flight;
        state.proxies = told;
        state.backends = backends(statuses.iter().filter_map(|(_, status)| status.as_ref().ok()));
    }
}

impl Before {
    fn of(page: Page) -> Self {
        let counts = page.namespaces.iter().map(|namespace| (namespace.name.clone(), Counts::of(namespace)));
        Self { at: Instant::now(), counts: counts.collect(), started_at: page.started_at }
    }
}

fn backends<'a>(statuses: impl Iterator<Item = &'a Value>) -> HashMap<String, Seen> {
    let mut backends = HashMap::<String, Seen>::new();
    for backend in statuses.flat_map(|status| status["backends"].as_array().into_iter().flatten()) {
        let ready = match backend["state"].as_str() {
            Some("ready") => Some(true),
            Some("unreachable") => Some(false),
            _ => None,
        };
        let seen = Seen { ready, error: backend["error"].as_str().map(str::to_owned) };
        let endpoint = backend["endpoint"].as_str().unwrap_or_default().to_owned();
        let known = backends.entry(endpoint).or_insert_with(|| seen.clone());
        let is_worse = seen.ready == Some(false) || known.ready.is_none();
        if is_worse {
            *known = seen;
        }
    }
    backends
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_a_backend_the_worst_that_a_proxy_says_is_told() {
        let status = |state: &str| json!({"backends": [{"endpoint": "a:1", "state": state, "error": null}]});
        let ready = |states: &[&str]| {
            let statuses: Vec<_> = states.iter().map(|state| status(state)).collect();
            backends(statuses.iter())["a:1"].ready
        };
        assert_eq!(ready(&["ready", "unreachable", "idle"]), Some(false));
        assert_eq!(ready(&["idle", "ready"]), Some(true));
        assert_eq!(ready(&["ready", "idle"]), Some(true));
        assert_eq!(ready(&["idle"]), None);
    }
}
