//! `/backends`: each backend in the file, queried for its health, its interfaces and its response time.

pub mod named;

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use futures_util::StreamExt as _;
use prism_net::tls::client::ClientOptions;
use prism_proxy::config::{Place, Plugin};
use prism_proxy::endpoint::Endpoint;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use super::held::Data;
use super::probe::milliseconds;
use super::probe::remote::{BackendHealth, Probed, probe};
use super::request::{Params, check_limit};
use super::settings::json;
use crate::error::Problem;
use crate::file::snapshot::Snapshot;
use crate::proxies::ProxyUrl;
use crate::state::Admin;

/// How long all queries of one backend may take.
const PROBE_MAX: Duration = Duration::from_secs(2);

/// How long all backends together may take.
const PROBES_MAX: Duration = Duration::from_secs(10);

/// Backends queried concurrently.
const PROBING_MAX: usize = 16;

/// The backends.
#[derive(Debug, Serialize, ToSchema)]
pub struct Backends {
    /// Each backend once, ordered by name or, without one, by endpoint.
    backends: Vec<Backend>,
    /// `cursor` of the next page; missing on the last page.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// Number of backends on all pages.
    total: usize,
}

/// The query of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BackendParams {
    /// Maximum number of backends to query.
    #[serde(default = "crate::api::request::limit_default")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: usize,
    /// `next_cursor` of the previous page.
    cursor: Option<String>,
    /// Whether to query the backends themselves. Without that, the response has what the file and the proxies say.
    #[serde(default = "probe_default")]
    #[param(default = true)]
    probe: bool,
}

fn probe_default() -> bool {
    true
}

/// A backend.
#[derive(Debug, Serialize, ToSchema)]
pub struct Backend {
    /// Its name; missing for one that namespaces name by its endpoint.
    #[schema(required = true)]
    name: Option<String>,
    /// Its endpoint; `embedded:DRIVER` in the proxies' own processes.
    endpoint: String,
    /// Options of its driver; missing if it has none.
    #[schema(required = true, value_type = Option<Object>)]
    options: Option<Value>,
    /// TLS to its endpoint, as in its settings; missing without TLS.
    #[schema(required = true, value_type = Option<Object>)]
    tls: Option<Value>,
    /// Namespaces that it serves.
    namespaces: Vec<String>,
    /// Health that it reports.
    health: BackendHealth,
    /// Interfaces that its reflection lists, or that the proxies report of a driver; missing if they are not known.
    #[schema(required = true)]
    interfaces: Option<Vec<String>>,
    /// Response time of the health check, in milliseconds, on an open connection.
    #[schema(required = true)]
    latency_ms: Option<f64>,
    /// Why it could not be queried.
    #[schema(required = true)]
    error: Option<String>,
    /// What would be lost with it, at all proxies that answer; missing if it keeps its data elsewhere.
    #[schema(required = true)]
    would_lose: Option<Data>,
    /// State of the backend at each proxy.
    proxies: Vec<Seen>,
}

/// What a proxy reports of a backend.
#[derive(Debug, Serialize, ToSchema)]
pub struct Seen {
    /// The proxy.
    url: String,
    /// `idle`, `ready` or `unreachable`.
    #[schema(example = "ready")]
    state: String,
    /// Why it is unreachable.
    #[schema(required = true)]
    error: Option<String>,
}

/// Query the health of the backends.
#[utoipa::path(get, path = "/backends", tag = "backends", params(BackendParams), responses(
    (status = 200, description = "The health of each, good or bad.", body = Backends),
))]
pub async fn list(
    State(admin): State<Admin>,
    Params(params): Params<BackendParams>,
) -> Result<Json<Backends>, Problem> {
    check_limit(params.limit)?;
    let now = admin.blocking(|store| store.read()).await?;
    let mut known = known(&now)?;
    let total = known.len();
    let mut page = known.split_off(params.cursor.as_deref().unwrap_or_default());
    page.remove(params.cursor.as_deref().unwrap_or_default());
    let more = page.len() > params.limit;
    let page: Vec<_> = page.into_iter().take(params.limit).collect();
    let next_cursor = page.last().filter(|_| more).map(|(key, _)| key.clone());
    let deadline = Instant::now() + PROBES_MAX;
    let probed = futures_util::stream::iter(page)
        .map(|(_, known)| {
            let policy = admin.policy.clone();
            async move {
                let until = deadline.min(Instant::now() + PROBE_MAX);
                let probed = if params.probe {
                    probe(&policy, &known.endpoint, known.connect.as_ref(), until).await
                } else {
                    Probed::not_asked()
                };
                (known, probed)
            }
        })
        .buffered(PROBING_MAX)
        .collect::<Vec<_>>();
    let (probed, statuses) = tokio::join!(probed, admin.proxies.statuses());
    let reports = |known: &Known| -> Vec<(String, Value)> {
        let of_proxy = |(url, status): &(ProxyUrl, Result<Value, _>)| {
            let backends = status.as_ref().ok()?["backends"].as_array()?;
            Some((url.to_string(), backends.iter().find(|backend| known.is(backend))?.clone()))
        };
        statuses.iter().filter_map(of_proxy).collect()
    };
    let backend = |(known, probed): (Known, Probed)| {
        let reports = reports(&known);
        Backend::new(known, probed, reports)
    };
    let backends = probed.into_iter().map(backend).collect();
    Ok(Json(Backends { backends, next_cursor, total }))
}

/// A backend as the file has it.
struct Known {
    name: Option<String>,
    endpoint: Endpoint,
    options: Option<Value>,
    tls: Option<Value>,
    connect: Option<ClientOptions>,
    namespaces: Vec<String>,
}

/// The backends of a file by name or, without one, by endpoint: a name has no colon, and an endpoint always has one.
fn known(now: &Snapshot) -> Result<BTreeMap<String, Known>, Problem> {
    let mut found = BTreeMap::new();
    let entries = now.entries()?;
    for backend in now.backends() {
        let (endpoint, connect) = match &backend.settings.place {
            Place::Embedded { driver, .. } => (Endpoint::Embedded(driver.clone()), None),
            Place::Remote { endpoint, tls } => (endpoint.clone(), tls.clone()),
        };
        let given = |key: &str| backend.value.get(key).map(json).transpose();
        let (options, tls) = (given("options")?, given("tls")?);
        let name = backend.settings.name.clone();
        let known =
            Known { name: Some(name.clone()), endpoint, options, tls, connect, namespaces: Vec::new() };
        found.insert(name, known);
    }
    for entry in entries {
        let Some(plugin) = &entry.plugin else { continue };
        let unnamed = |endpoint: &Endpoint| Known {
            name: None,
            endpoint: endpoint.clone(),
            options: None,
            tls: None,
            connect: None,
            namespaces: Vec::new(),
        };
        let known = match plugin {
            Plugin::Backend(name) => found.get_mut(name),
            Plugin::Endpoint(endpoint) => {
                Some(found.entry(endpoint.to_string()).or_insert_with(|| unnamed(endpoint)))
            }
        };
        known.into_iter().for_each(|known| known.namespaces.push(entry.name.clone()));
    }
    Ok(found)
}

impl Known {
    /// Whether a proxy's report is of this one.
    fn is(&self, report: &Value) -> bool {
        match &self.name {
            Some(name) => report["name"] == *name,
            None => report["name"].is_null() && report["endpoint"] == self.endpoint.to_string(),
        }
    }
}

impl Backend {
    fn new(known: Known, probed: Probed, reports: Vec<(String, Value)>) -> Self {
        let reported = || {
            let names = reports.iter().find_map(|(_, report)| report["interfaces"].as_array())?;
            Some(names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
        };
        let held = reports.iter().filter_map(|(_, report)| Data::deserialize(&report["would_lose"]).ok());
        let would_lose =
            held.reduce(|sum, one| Data { keys: sum.keys + one.keys, lists: sum.lists + one.lists });
        let interfaces = probed.interfaces.or_else(reported);
        let seen = |(url, report): (String, Value)| Seen {
            url,
            state: report["state"].as_str().unwrap_or("unknown").to_owned(),
            error: report["error"].as_str().map(str::to_owned),
        };
        Self {
            name: known.name,
            endpoint: known.endpoint.to_string(),
            options: known.options.filter(|options| options.is_object()),
            tls: known.tls.filter(|tls| tls.is_object()),
            namespaces: known.namespaces,
            health: probed.health,
            interfaces,
            latency_ms: probed.latency.map(milliseconds),
            error: probed.error,
            would_lose,
            proxies: reports.into_iter().map(seen).collect(),
        }
    }
}
