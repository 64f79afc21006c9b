//! `/traffic/events`: metrics as server-sent events, first those of the last 15 minutes, then each new sample, with
//! what the backends of the given namespaces report about themselves.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::future::join_all;
use http::{HeaderMap, HeaderName};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, watch};
use utoipa::IntoParams;

use super::request::Params;
use crate::error::{Kind, Problem};
use crate::file::entry::Entry;
use crate::gateway::{Health, Told};
use crate::state::Admin;
use crate::traffic::{FOLLOWERS_MAX, INTERVAL, Point, Seen, Series, Traffic};

/// A page of the console shows half as many.
const NAMESPACES_MAX: usize = 100;

/// The query of the events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventsParams {
    /// Namespaces to follow, at most 100, separated by commas.
    #[serde(default)]
    namespaces: String,
}

/// The first event.
#[derive(Serialize)]
struct Past {
    interval_seconds: u64,
    at: Vec<u64>,
    total: Series,
    namespaces: BTreeMap<String, Series>,
}

/// The subsequent events.
#[derive(Serialize)]
struct Sample {
    at: u64,
    proxies: Vec<Proxy>,
    total: Now,
    namespaces: BTreeMap<String, Namespace>,
}

#[derive(Serialize)]
struct Proxy {
    url: String,
    error: Option<String>,
}

/// A point and the calls in flight; all `None` if no proxy responded.
#[derive(Serialize)]
struct Now {
    requests_per_second: Option<f32>,
    errors_per_second: Option<f32>,
    p50_seconds: Option<f32>,
    p99_seconds: Option<f32>,
    in_flight: Option<i64>,
}

#[derive(Serialize)]
struct Namespace {
    #[serde(flatten)]
    now: Now,
    health: &'static str,
    health_detail: Option<String>,
    keys: Option<u64>,
    lists: Option<u64>,
    backend_bytes: Option<u64>,
    backend_bytes_max: Option<u64>,
    in_memory: Option<bool>,
    ordered: Option<bool>,
}

impl Now {
    fn new(point: Option<Point>, in_flight: i64) -> Self {
        Self {
            requests_per_second: point.map(|point| point.requests_per_second),
            errors_per_second: point.map(|point| point.errors_per_second),
            p50_seconds: point.and_then(|point| point.p50_seconds),
            p99_seconds: point.and_then(|point| point.p99_seconds),
            in_flight: point.map(|_| in_flight),
        }
    }
}

/// Follow live metrics: an event `history`, then an event `sample` every 5 s.
#[utoipa::path(get, path = "/traffic/events", tag = "traffic", params(EventsParams), responses(
    (status = 200, description = "`history`: the last 15 minutes, one column per metric, null where it is unknown. \
        `sample`: the newest figures, which proxies answered, and what each backend says of its health and of what it \
        holds. It ends once the token or session that asked is no longer known.",
        body = String, content_type = "text/event-stream"),
))]
pub async fn get(
    State(admin): State<Admin>,
    Params(params): Params<EventsParams>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let names: Vec<_> = params.namespaces.split(',').filter(|name| !name.is_empty()).collect();
    if names.len() > NAMESPACES_MAX {
        let detail = format!("namespaces: {} are named; at most {NAMESPACES_MAX}", names.len());
        return Err(Problem::new(Kind::Malformed, detail));
    }
    let names: Vec<_> = names.into_iter().map(str::to_owned).collect();
    let permit = admin.traffic.follow().ok_or_else(|| {
        let detail =
            format!("{FOLLOWERS_MAX} clients follow the metrics, the maximum; retry when one has left");
        Problem::new(Kind::Limited, detail)
    })?;
    let past = event("history", &past(&admin.traffic, &names));
    let (ticks, stopping) = (admin.traffic.ticks(), admin.stopping.clone());
    let follower = Follower { admin, names, headers, ticks, _permit: permit };
    let samples = futures_util::stream::unfold((true, follower), async |(is_first, mut follower)| {
        if !is_first {
            follower.tick().await?;
        }
        follower.ticks.mark_unchanged();
        let sample = sample(&follower.admin, &follower.names).await;
        Some((event("sample", &sample), (false, follower)))
    });
    let events = futures_util::stream::once(async { past });
    let events = futures_util::StreamExt::chain(events, samples);
    let events = futures_util::StreamExt::take_until(events, stopping.cancelled_owned());
    let events = futures_util::StreamExt::map(events, Ok::<_, Infallible>);
    // Otherwise nginx would collect the events until its buffer is full.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((unbuffered, Sse::new(events).keep_alive(KeepAlive::default())))
}

/// A client that follows the metrics.
struct Follower {
    admin: Admin,
    names: Vec<String>,
    /// Those of the request, with its token or session.
    headers: HeaderMap,
    ticks: watch::Receiver<()>,
    _permit: OwnedSemaphorePermit,
}

impl Follower {
    /// Waits for the next point; `None` if the admin stops, or the client's token or session is no longer known.
    async fn tick(&mut self) -> Option<()> {
        self.admin.stopping.run_until_cancelled(self.ticks.changed()).await?.ok()?;
        match &self.admin.tokens {
            Some(tokens) => self.admin.sessions.identify(tokens, &self.headers).ok().map(drop),
            None => Some(()),
        }
    }
}

fn event(name: &str, data: &impl Serialize) -> Event {
    Event::default().event(name).data(serde_json::to_string(data).unwrap_or_default())
}

fn past(traffic: &Traffic, names: &[String]) -> Past {
    let history = &traffic.state().history;
    Past {
        interval_seconds: INTERVAL.as_secs(),
        at: history.at(),
        total: history.total(),
        namespaces: names.iter().map(|name| (name.clone(), history.of(name))).collect(),
    }
}

async fn sample(admin: &Admin, names: &[String]) -> Sample {
    let told = join_all(names.iter().map(|name| admin.gateway.ask(name))).await;
    let plugins = plugins(admin, names).await;
    let state = admin.traffic.state();
    let newest = state.history.newest();
    let namespace = |(name, told): (&String, Told)| {
        let seen = plugins.get(name).and_then(|plugin| state.backends.get(plugin));
        let in_flight = state.in_flight.get(name).copied().unwrap_or_default();
        let now = Now::new(state.history.newest_of(name), in_flight);
        (name.clone(), Namespace::new(now, told, seen))
    };
    Sample {
        at: newest.map_or(0, |(at, _)| at),
        proxies: state
            .proxies
            .iter()
            .map(|(url, error)| Proxy { url: url.clone(), error: error.clone() })
            .collect(),
        total: Now::new(newest.and_then(|(_, point)| point), state.in_flight.values().sum()),
        namespaces: names.iter().zip(told).map(namespace).collect(),
    }
}

/// What serves namespaces, as the proxies call it, as far as the file is usable.
async fn plugins(admin: &Admin, names: &[String]) -> HashMap<String, String> {
    let names = names.to_owned();
    let plugins = admin.blocking(move |store| {
        let now = store.read()?;
        let wanted: HashSet<_> = names.iter().map(String::as_str).collect();
        let of = |entry: &Arc<Entry>| {
            let name = Some(&entry.name).filter(|name| wanted.contains(name.as_str()))?;
            Some((name.clone(), entry.plugin.as_ref()?.to_string()))
        };
        Ok(now.entries()?.iter().filter_map(of).collect())
    });
    plugins.await.unwrap_or_default()
}

impl Namespace {
    fn new(now: Now, told: Told, seen: Option<&Seen>) -> Self {
        let (health, health_detail) = match (told.health, seen) {
            (Health::Serving, _) => ("serving", None),
            (Health::Down(why), _) => ("down", Some(why)),
            (Health::Refused(why), _) => ("refused", Some(why)),
            (Health::Unknown(why), _) => ("unknown", Some(why)),
            (Health::NotAsked, Some(Seen { ready: Some(true), .. })) => ("serving", None),
            (Health::NotAsked, Some(Seen { ready: Some(false), error })) => ("down", error.clone()),
            (Health::NotAsked, _) => (
                "unknown",
                Some("the backend reports nothing about itself, and no call has reached it".to_owned()),
            ),
        };
        let usage = told.usage.as_ref();
        Self {
            now,
            health,
            health_detail,
            keys: usage.and_then(|usage| usage.keys),
            lists: usage.and_then(|usage| usage.lists),
            backend_bytes: usage.and_then(|usage| usage.backend_bytes),
            backend_bytes_max: usage.and_then(|usage| usage.backend_bytes_max),
            in_memory: told.capabilities.as_ref().map(|capabilities| capabilities.in_memory),
            ordered: told.capabilities.as_ref().map(|capabilities| capabilities.ordered),
        }
    }
}
