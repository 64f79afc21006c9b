//! `GET /traffic`: the counters of each namespace's calls since the start, summed over methods. Calls that describe the
//! backend itself are not included: whoever watches a namespace makes them every few seconds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Json;
use axum::routing::get;
use prism_proto::tells_of_the_backend;
use serde::Serialize;

use super::{LATENCY_BOUNDS, Totals};
use crate::shared::Shared;
use crate::status::Time;

/// The path of the page.
pub const PATH: &str = "/traffic";

#[derive(Serialize)]
struct Page {
    /// When counting started: the counters are zero then.
    started_at: Time,
    latency_bounds_seconds: [f64; LATENCY_BOUNDS.len()],
    /// The namespaces that had a call, by name.
    namespaces: Vec<Namespace>,
}

#[derive(Serialize)]
struct Namespace {
    name: String,
    /// Calls in flight.
    in_flight: i64,
    /// Calls that have ended.
    requests: u64,
    /// The same, by status.
    codes: BTreeMap<&'static str, u64>,
    /// Bytes of the messages, framing included.
    request_bytes: u64,
    response_bytes: u64,
    /// Calls by latency bucket; the last is for those beyond all bounds.
    latency: [u64; LATENCY_BOUNDS.len() + 1],
}

/// The route of the page.
pub(crate) fn routes(shared: Arc<Shared>) -> Router {
    let started_at = Time::now();
    let show = move |State(shared): State<Arc<Shared>>| async move { Json(page(&shared, started_at)) };
    Router::new().route(PATH, get(show)).with_state(shared)
}

fn page(shared: &Shared, started_at: Time) -> Page {
    let table = shared.table();
    let mut namespaces: Vec<_> = table
        .routes()
        .filter_map(|route| {
            let mut totals = Totals::default();
            route.traffic.each(|method, figures| {
                if !tells_of_the_backend(method) {
                    totals.add(figures);
                }
            });
            let in_flight = route.traffic.in_flight();
            let had_calls = totals.requests() > 0 || in_flight > 0;
            had_calls.then(|| Namespace {
                name: route.settings.name.clone(),
                in_flight,
                requests: totals.requests(),
                codes: totals.codes().collect(),
                request_bytes: totals.request_bytes,
                response_bytes: totals.response_bytes,
                latency: totals.latency,
            })
        })
        .collect();
    namespaces.sort_by(|one, other| one.name.cmp(&other.name));
    Page {
        started_at,
        latency_bounds_seconds: LATENCY_BOUNDS.map(|bound: Duration| bound.as_secs_f64()),
        namespaces,
    }
}
