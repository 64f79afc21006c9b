//! The proxies' traffic over the last 15 minutes: each proxy's `/traffic` is queried every 5 s, and the difference from
//! the previous response becomes a point. A proxy that does not respond leaves a gap, not a zero: if only some respond,
//! the figures are theirs, and a missing one is unknown, not zero.

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

/// The time between two points. Such scrapes are usually 15 s apart, but people watching a page want more.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// The maximum number of followers. Each uses one of the port's 256 connections; three quarters are left for the rest.
pub(crate) const FOLLOWERS_MAX: usize = 64;

/// The metrics. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Traffic {
    state: Arc<Mutex<State>>,
    /// Signalled after each point.
    ticks: watch::Sender<()>,
    /// A permit for each possible follower.
    followers: Arc<Semaphore>,
}

/// The latest metrics, and the earlier ones.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) history: History,
    /// Each proxy, and why it did not respond.
    pub(crate) proxies: Vec<(String, Option<String>)>,
    pub(crate) in_flight: HashMap<String, i64>,
    /// What the proxies report about the backends, by name or, without one, endpoint; the worst if they differ.
    pub(crate) backends: HashMap<String, Seen>,
}

/// What the proxies report about a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Whether it is reachable; `None`: it has not been called.
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

    /// A permit to follow; `None` if there are too many followers.
    pub(crate) fn follow(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.followers).try_acquire_owned().ok()
    }

    /// Signals each new point.
    pub(crate) fn ticks(&self) -> watch::Receiver<()> {
        self.ticks.subscribe()
    }

    /// Queries the proxies repeatedly, until told to stop.
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
        // A name has no colon, and an endpoint always has one.
        let key = backend["name"].as_str().or(backend["endpoint"].as_str()).unwrap_or_default();
        let known = backends.entry(key.to_owned()).or_insert_with(|| seen.clone());
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
        let named = json!({"backends": [{"name": "b", "endpoint": "a:1", "state": "ready", "error": null}]});
        let known = backends([status("idle"), named].iter());
        assert_eq!((known["a:1"].ready, known["b"].ready), (None, Some(true)));
    }
}
