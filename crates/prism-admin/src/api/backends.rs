//! `/backends`: each backend that the file names, asked for its health, its interfaces and how long it takes to answer.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use futures_util::StreamExt as _;
use hyper_util::rt::TokioIo;
use prism_proto::INTERFACES_PREFIX;
use prism_proxy::endpoint::Endpoint;
use prism_runtime::listen::set_tcp_options;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tower::service_fn;
use utoipa::{IntoParams, ToSchema};

use super::request::{Params, check_limit};
use crate::error::Problem;
use crate::file::policy::{Policy, Unresolved, resolve};
use crate::state::Admin;

/// How long one backend may take for all of its answers.
const PROBE_MAX: Duration = Duration::from_secs(2);

/// How long all of them together may take.
const PROBES_MAX: Duration = Duration::from_secs(10);

/// Backends asked at once.
const PROBING_MAX: usize = 16;

/// The backends.
#[derive(Debug, Serialize, ToSchema)]
pub struct Backends {
    /// Each once, in the order of their endpoints.
    backends: Vec<Backend>,
    /// The `cursor` of the next page; none: this is the last.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// How many there are on all pages.
    total: usize,
}

/// The query of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BackendParams {
    /// The most backends to ask.
    #[serde(default = "crate::api::request::limit_default")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: usize,
    /// Only those behind this endpoint: the `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A backend.
#[derive(Debug, Serialize, ToSchema)]
pub struct Backend {
    /// Where it is.
    endpoint: String,
    /// The namespaces that it serves.
    namespaces: Vec<String>,
    /// What it says of its health.
    health: BackendHealth,
    /// The interfaces that its reflection lists; none if it has no reflection.
    #[schema(required = true)]
    interfaces: Option<Vec<String>>,
    /// From the health question to its answer, in milliseconds, on a connection that is open.
    #[schema(required = true)]
    latency_ms: Option<f64>,
    /// Why it could not be asked.
    #[schema(required = true)]
    error: Option<String>,
    /// What each proxy reports of it.
    proxies: Vec<Seen>,
}

/// The health of a backend.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackendHealth {
    /// It takes calls.
    Serving,
    /// It takes no calls.
    NotServing,
    /// It is there and does not tell its health.
    Unknown,
    /// It was not reached.
    Unreachable,
    /// It was not asked: it is in the proxy's process, must not be reached from here, or there was no time left.
    NotAsked,
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

/// Ask the backends how they are.
#[utoipa::path(get, path = "/backends", tag = "backends", params(BackendParams), responses(
    (status = 200, description = "What each says, good or bad.", body = Backends),
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

/// Milliseconds with as many digits as a clock is right by.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

struct Probed {
    health: BackendHealth,
    interfaces: Option<Vec<String>>,
    latency: Option<Duration>,
    error: Option<String>,
}

impl Probed {
    fn failed(health: BackendHealth, error: impl ToString) -> Self {
        Self { health, interfaces: None, latency: None, error: Some(error.to_string()) }
    }
}

async fn probe(policy: &Policy, endpoint: &Endpoint, until: Instant) -> Probed {
    if matches!(endpoint, Endpoint::Embedded(_)) {
        return Probed::failed(
            BackendHealth::NotAsked,
            "it is a part of the proxy's process; see what the proxies report",
        );
    }
    if let Err(why) = policy.check(endpoint) {
        return Probed::failed(BackendHealth::NotAsked, why);
    }
    if Instant::now() >= until {
        return Probed::failed(BackendHealth::NotAsked, "there was no time left; ask again");
    }
    let asked = async {
        let channel = match connect(endpoint).await {
            Ok(channel) => channel,
            Err(Refused::ByPolicy(why)) => return Probed::failed(BackendHealth::NotAsked, why),
            Err(Refused::ByBackend(why)) => return Probed::failed(BackendHealth::Unreachable, why),
        };
        let (health, latency, error) = ask_health(channel.clone()).await;
        let interfaces = timeout_at(until, ask_interfaces(channel)).await.ok().flatten();
        Probed { health, interfaces, latency, error }
    };
    timeout_at(until, asked)
        .await
        .unwrap_or_else(|_| Probed::failed(BackendHealth::Unreachable, "it does not answer in time"))
}

enum Refused {
    ByPolicy(String),
    ByBackend(String),
}

/// Connects to what a name resolves to now, after judging it, so that no later answer of the resolver is used.
async fn connect(endpoint: &Endpoint) -> Result<Channel, Refused> {
    let refused = |error: tonic::transport::Error| Refused::ByBackend(cause(&error));
    match endpoint {
        Endpoint::Unix(path) => {
            let path = path.clone();
            let connector = service_fn(move |_| {
                let path = path.clone();
                async move { UnixStream::connect(path).await.map(TokioIo::new) }
            });
            let target = tonic::transport::Endpoint::from_static("http://localhost");
            target.connect_with_connector(connector).await.map_err(refused)
        }
        Endpoint::Tcp(authority) => {
            let addresses = resolve(authority.as_str()).await.map_err(|error| match error {
                Unresolved::Refused(why) => Refused::ByPolicy(why),
                Unresolved::Unknown(error) => Refused::ByBackend(error.to_string()),
            })?;
            let connector = service_fn(move |_| {
                let addresses = addresses.clone();
                async move {
                    let stream = TcpStream::connect(addresses.as_slice()).await?;
                    set_tcp_options(&stream)?;
                    Ok::<_, io::Error>(TokioIo::new(stream))
                }
            });
            let target =
                tonic::transport::Endpoint::from_shared(format!("http://{authority}")).map_err(refused)?;
            target.connect_with_connector(connector).await.map_err(refused)
        }
        Endpoint::Embedded(_) => Err(Refused::ByPolicy("it has no address".to_owned())),
    }
}

async fn ask_health(channel: Channel) -> (BackendHealth, Option<Duration>, Option<String>) {
    let begun = std::time::Instant::now();
    let answer = HealthClient::new(channel).check(HealthCheckRequest { service: String::new() }).await;
    match answer {
        Ok(answer) => {
            let health = match answer.into_inner().status() {
                ServingStatus::Serving => BackendHealth::Serving,
                ServingStatus::NotServing => BackendHealth::NotServing,
                ServingStatus::Unknown | ServingStatus::ServiceUnknown => BackendHealth::Unknown,
            };
            (health, Some(begun.elapsed()), None)
        }
        Err(status) if status.code() == tonic::Code::Unimplemented => {
            (BackendHealth::Unknown, Some(begun.elapsed()), None)
        }
        Err(status) => (BackendHealth::Unknown, None, Some(status.message().to_owned())),
    }
}

async fn ask_interfaces(channel: Channel) -> Option<Vec<String>> {
    let question = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let questions = futures_util::stream::once(async { question });
    let answers = ServerReflectionClient::new(channel).server_reflection_info(questions).await;
    let answer = answers.ok()?.into_inner().message().await.ok()??;
    let MessageResponse::ListServicesResponse(list) = answer.message_response? else { return None };
    let names = list.service.into_iter().map(|service| service.name);
    let mut interfaces: Vec<_> = names.filter(|name| name.starts_with(INTERFACES_PREFIX)).collect();
    interfaces.sort_unstable();
    Some(interfaces)
}

/// What an error chain ends with, which says the most.
fn cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
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
