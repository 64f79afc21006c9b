//! `/backends`: each backend that the file names, queried for its health, its interfaces and its response time.

mod probe;

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use futures_util::StreamExt as _;
use prism_proxy::endpoint::Endpoint;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use super::request::{Params, check_limit};
use crate::error::Problem;
use crate::state::Admin;
pub use probe::BackendHealth;
use probe::{Probed, probe};

/// How long all queries of one backend may take.
const PROBE_MAX: Duration = Duration::from_secs(2);

/// How long all backends together may take.
const PROBES_MAX: Duration = Duration::from_secs(10);

/// Backends queried concurrently.
const PROBING_MAX: usize = 16;

/// The backends.
#[derive(Debug, Serialize, ToSchema)]
pub struct Backends {
    /// Each backend once, ordered by endpoint.
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
}

/// A backend.
#[derive(Debug, Serialize, ToSchema)]
pub struct Backend {
    /// Its endpoint.
    endpoint: String,
    /// Namespaces that it serves.
    namespaces: Vec<String>,
    /// Health that it reports.
    health: BackendHealth,
    /// Interfaces that its reflection lists; missing without reflection.
    #[schema(required = true)]
    interfaces: Option<Vec<String>>,
    /// Response time of the health check, in milliseconds, on an open connection.
    #[schema(required = true)]
    latency_ms: Option<f64>,
    /// Why it could not be queried.
    #[schema(required = true)]
    error: Option<String>,
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
    let mut serves: BTreeMap<String, (Endpoint, Vec<String>)> = BTreeMap::new();
    for entry in now.entries()? {
        if let Some(endpoint) = entry.endpoint.clone() {
            let shown = endpoint.to_string();
            serves.entry(shown).or_insert_with(|| (endpoint, Vec::new())).1.push(entry.name.clone());
        }
    }
    let total = serves.len();
    let mut page = serves.split_off(params.cursor.as_deref().unwrap_or_default());
    page.remove(params.cursor.as_deref().unwrap_or_default());
    let more = page.len() > params.limit;
    let page: Vec<_> = page.into_iter().take(params.limit).collect();
    let next_cursor = page.last().filter(|_| more).map(|(endpoint, _)| endpoint.clone());
    let deadline = Instant::now() + PROBES_MAX;
    let probed = futures_util::stream::iter(page)
        .map(|(shown, (endpoint, namespaces))| {
            let policy = admin.policy.clone();
            async move {
                let until = deadline.min(Instant::now() + PROBE_MAX);
                let probed = probe(&policy, &endpoint, until).await;
                (shown, namespaces, probed)
            }
        })
        .buffered(PROBING_MAX)
        .collect::<Vec<_>>();
    let (probed, statuses) = tokio::join!(probed, admin.proxies.statuses());
    let seen = |endpoint: &str| -> Vec<Seen> {
        let of_proxy = |(url, status): &(_, Result<serde_json::Value, _>)| {
            let backends = status.as_ref().ok()?["backends"].as_array()?;
            let backend = backends.iter().find(|backend| backend["endpoint"] == endpoint)?;
            Some(Seen {
                url: ToString::to_string(url as &crate::proxies::ProxyUrl),
                state: backend["state"].as_str().unwrap_or("unknown").to_owned(),
                error: backend["error"].as_str().map(str::to_owned),
            })
        };
        statuses.iter().filter_map(of_proxy).collect()
    };
    let backend = |(endpoint, namespaces, probed): (String, _, Probed)| Backend {
        proxies: seen(&endpoint),
        endpoint,
        namespaces,
        health: probed.health,
        interfaces: probed.interfaces,
        latency_ms: probed.latency.map(milliseconds),
        error: probed.error,
    };
    let backends = probed.into_iter().map(backend).collect();
    Ok(Json(Backends { backends, next_cursor, total }))
}

/// Milliseconds, with as many digits as a clock is accurate to.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_has_no_more_digits_than_it_is_right_by() {
        assert_eq!(milliseconds(Duration::from_nanos(1_999_867_366)).to_string(), "1999.867");
        assert_eq!(milliseconds(Duration::from_nanos(499)).to_string(), "0");
    }
}
