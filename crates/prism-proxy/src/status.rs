//! `GET /config/status`: which configuration is in force, what became of the last attempt to take one, and how the
//! backends are. `?wait_for=REVISION` answers once an attempt with that revision has been made, or after 30 s.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::config::Mistake;
use crate::route::{Backend, RemoteState};
use crate::shared::Shared;

/// The path of the page.
pub const PATH: &str = "/config/status";

/// How long a request may wait for a revision.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What is known of the configuration file.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The file; `None` if none is watched.
    pub path: Option<String>,
    /// The SHA-256 of the file in force; `None` for the built-in configuration.
    pub revision: Option<String>,
    /// When it was taken.
    pub applied_at: Time,
    /// How many namespaces it has.
    pub namespaces: usize,
    /// The last time that the file was new, or could not be read.
    pub last_attempt: Option<Attempt>,
    /// Keys that the file in force has changed, and that only a start reads.
    pub restart_required: Vec<RestartRequired>,
}

/// An attempt to take the file.
#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    /// When.
    pub at: Time,
    /// The SHA-256 of what was there; `None` if it could not be read.
    pub revision: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was refused.
    pub error: Option<String>,
    /// The same, one by one.
    pub mistakes: Vec<Mistake>,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is in force.
    Applied,
    /// What was in force before still is.
    Refused,
}

/// A key that only a start reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RestartRequired {
    /// Its path in the file.
    pub field: &'static str,
    /// What the file had at the start.
    pub at_start: Option<String>,
    /// What it has now.
    pub in_file: Option<String>,
}

/// A moment, written as RFC 3339 has it.
#[derive(Clone, Copy, Debug)]
pub struct Time(pub SystemTime);

impl Time {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self(SystemTime::now())
    }
}

impl Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_rfc3339_millis(self.0))
    }
}

/// The whole page.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    status: &'a Status,
    backends: Vec<BackendReport>,
    problems: Vec<Problem>,
}

#[derive(Serialize)]
struct BackendReport {
    endpoint: String,
    state: &'static str,
    error: Option<String>,
    since: Option<Time>,
    /// How many namespaces it serves.
    namespaces: usize,
    /// What its reflection lists; `None` if that is not known.
    interfaces: Option<Vec<String>>,
}

/// A namespace that cannot serve what its pattern promises.
#[derive(Serialize)]
struct Problem {
    namespace: String,
    error: String,
}

#[derive(Deserialize)]
struct Asked {
    wait_for: Option<String>,
}

#[derive(Clone)]
struct Page {
    shared: Arc<Shared>,
    status: watch::Receiver<Status>,
}

/// The route of the page.
pub fn routes(shared: Arc<Shared>, status: watch::Receiver<Status>) -> Router {
    Router::new().route(PATH, get(show)).with_state(Page { shared, status })
}

async fn show(State(mut page): State<Page>, Query(asked): Query<Asked>) -> Response {
    if let Some(revision) = asked.wait_for {
        let is_there = |status: &Status| {
            let attempted = status.last_attempt.as_ref().and_then(|attempt| attempt.revision.as_ref());
            [attempted, status.revision.as_ref()].contains(&Some(&revision))
        };
        // After the time is up, the answer says what is there instead.
        let _ = tokio::time::timeout(WAIT_MAX, page.status.wait_for(is_there)).await;
    }
    let status = page.status.borrow().clone();
    let (backends, problems) = look(&page.shared);
    Json(Report { status: &status, backends, problems }).into_response()
}

fn look(shared: &Shared) -> (Vec<BackendReport>, Vec<Problem>) {
    let table = shared.table.load();
    let mut served: HashMap<String, usize> = HashMap::new();
    let mut problems = Vec::new();
    for route in table.routes() {
        *served.entry(route.settings.endpoint.to_string()).or_default() += 1;
        if let Err(error) = route.check_interface(route.settings.pattern.interface()) {
            let error = format!("{}: {error}", error.reason);
            problems.push(Problem { namespace: route.settings.name.clone(), error });
        }
    }
    problems.sort_by(|one, other| one.namespace.cmp(&other.namespace));
    let embedded = table.routes().filter(|route| matches!(route.backend, Backend::Embedded(_)));
    let embedded = embedded.map(|route| (route.settings.endpoint.to_string(), RemoteState::Ready, None));
    let remotes = table
        .remotes()
        .map(|remote| (remote.endpoint.to_string(), remote.state(), remote.discovered.interfaces()));
    let mut backends: Vec<_> = embedded
        .chain(remotes)
        .map(|(endpoint, state, interfaces)| {
            let (state, failing) = match state {
                RemoteState::Idle => ("idle", None),
                RemoteState::Ready => ("ready", None),
                RemoteState::Unreachable(failing) => ("unreachable", Some(failing)),
            };
            BackendReport {
                namespaces: served.get(&endpoint).copied().unwrap_or_default(),
                endpoint,
                state,
                error: failing.as_ref().map(|failing| failing.error.clone()),
                since: failing.map(|failing| Time(failing.since)),
                interfaces,
            }
        })
        .collect();
    backends.sort_by(|one, other| one.endpoint.cmp(&other.endpoint));
    backends.dedup_by(|one, other| one.endpoint == other.endpoint);
    (backends, problems)
}
