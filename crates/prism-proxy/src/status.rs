//! `GET /config/status`: the configuration in force, the result of the last attempt to load one, and the state of the
//! backends. `?wait_for=REVISION` responds once an attempt with that revision has been made, or after 30 s.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use prism_plugin::driver::{self, Data, FigureValue};
use prism_runtime::exposure::Open;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::config::{Mistake, Plugin};
use crate::route::Backend;
use crate::shared::Shared;

/// The path of the page.
pub const PATH: &str = "/config/status";

/// How long a request may wait for a revision.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What is known about the configuration file.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The file; `None` if none is watched.
    pub path: Option<String>,
    /// The SHA-256 of the file in force; `None` for the built-in configuration.
    pub revision: Option<String>,
    /// When it was loaded.
    pub applied_at: Time,
    /// The number of its namespaces.
    pub namespaces: usize,
    /// The last attempt, made because the file was new or could not be read.
    pub last_attempt: Option<Attempt>,
    /// Changed keys of the file in force that take effect only at the next start.
    pub restart_required: Vec<RestartRequired>,
}

/// An attempt to load the file.
#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    /// When.
    pub at: Time,
    /// The SHA-256 of the file; `None` if it could not be read.
    pub revision: Option<String>,
    /// The result.
    pub outcome: Outcome,
    /// Why it was refused.
    pub error: Option<String>,
    /// The same, as a list.
    pub mistakes: Vec<Mistake>,
}

/// The result of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The file is in force.
    Applied,
    /// The previous configuration is still in force.
    Refused,
}

/// A key that is read only at the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RestartRequired {
    /// Its path in the file.
    pub field: &'static str,
    /// Its value at the start.
    pub at_start: Option<String>,
    /// Its value in the file.
    pub in_file: Option<String>,
}

/// A moment, formatted as in RFC 3339.
#[derive(Clone, Copy, Debug)]
pub struct Time(pub SystemTime);

impl Time {
    /// The current time.
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
    /// What other machines can reach without TLS or without credentials, as the warning at the start says it.
    open_to_others: &'a [String],
}

#[derive(Serialize)]
struct BackendReport {
    /// Its name in the configuration; `None` for one that a namespace names by its endpoint.
    name: Option<String>,
    endpoint: String,
    /// Whether it is connected to with TLS.
    tls: bool,
    state: &'static str,
    error: Option<String>,
    since: Option<Time>,
    /// The number of namespaces it serves.
    namespaces: usize,
    /// The interfaces that its reflection lists; `None` if that is not known.
    interfaces: Option<Vec<String>>,
    /// What is lost when it is removed; `None` if it keeps its data elsewhere.
    would_lose: Option<Data>,
    /// Its figures, as its metrics are named, if it is within this process and has any.
    figures: BTreeMap<&'static str, FigureValue>,
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
    open: Open,
}

/// The route of the page.
pub fn routes(shared: Arc<Shared>, status: watch::Receiver<Status>, open: Open) -> Router {
    Router::new().route(PATH, get(show)).with_state(Page { shared, status, open })
}

async fn show(State(mut page): State<Page>, Query(asked): Query<Asked>) -> Response {
    if let Some(revision) = asked.wait_for {
        let is_there = |status: &Status| {
            let attempted = status.last_attempt.as_ref().and_then(|attempt| attempt.revision.as_ref());
            [attempted, status.revision.as_ref()].contains(&Some(&revision))
        };
        // After the wait, the response shows the state as it is.
        let _ = tokio::time::timeout(WAIT_MAX, page.status.wait_for(is_there)).await;
    }
    let status = page.status.borrow().clone();
    let (backends, problems) = look(&page.shared);
    Json(Report { status: &status, backends, problems, open_to_others: page.open.get() }).into_response()
}

fn look(shared: &Shared) -> (Vec<BackendReport>, Vec<Problem>) {
    let table = shared.table();
    let mut serves: HashMap<usize, usize> = HashMap::new();
    let mut problems = Vec::new();
    for route in table.routes() {
        *serves.entry(route.backend.address()).or_default() += 1;
        if let Err(error) = route.check_interface(route.settings.pattern.interface(), true) {
            let error = format!("{}: {error}", error.reason);
            problems.push(Problem { namespace: route.settings.name.clone(), error });
        }
    }
    problems.sort_by(|one, other| one.namespace.cmp(&other.namespace));
    let backends = table.backends().map(|(plugin, backend)| BackendReport {
        namespaces: serves.get(&backend.address()).copied().unwrap_or_default(),
        ..BackendReport::of(plugin, backend)
    });
    // One without a name that serves nothing any more is nothing to look at, unless it holds data.
    let is_there = |report: &BackendReport| {
        report.name.is_some()
            || report.namespaces > 0
            || report.would_lose.is_some_and(|data| data.keys + data.lists > 0)
    };
    let mut backends: Vec<_> = backends.filter(is_there).collect();
    backends.sort_by(|one, other| (&one.name, &one.endpoint).cmp(&(&other.name, &other.endpoint)));
    (backends, problems)
}

impl BackendReport {
    fn of(plugin: &Plugin, backend: &Backend) -> Self {
        let name = match plugin {
            Plugin::Backend(name) => Some(name.clone()),
            Plugin::Endpoint(_) => None,
        };
        let tls = matches!(backend, Backend::Remote(remote) if remote.tls.is_some());
        let (endpoint, state, interfaces, would_lose) = match backend {
            Backend::Embedded(embedded) => (
                format!("embedded:{}", embedded.driver),
                embedded.state(),
                Some(embedded.interfaces()),
                embedded.would_lose(),
            ),
            Backend::Remote(remote) => {
                (remote.endpoint.to_string(), remote.state(), remote.discovered.interfaces(), None)
            }
        };
        let (state, error, since) = match state {
            driver::State::Idle => ("idle", None, None),
            driver::State::Ready => ("ready", None, None),
            driver::State::Unreachable { error, since } => ("unreachable", Some(error), Some(Time(since))),
        };
        let figures = match backend {
            Backend::Embedded(embedded) => embedded.figures(),
            Backend::Remote(_) => Vec::new(),
        };
        let figures = figures.into_iter().map(|figure| (figure.name, figure.value)).collect();
        Self { name, endpoint, tls, state, error, since, namespaces: 0, interfaces, would_lose, figures }
    }
}
