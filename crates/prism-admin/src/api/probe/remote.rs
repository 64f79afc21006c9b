//! Queries a plugin for its health, its interfaces, its capabilities and its response time.

use std::io;
use std::time::Duration;

use prism_net::address::Address;
use prism_net::dial::{dial, dial_resolved, secure};
use prism_net::stream::Stream;
use prism_net::tls::Protocol;
use prism_net::tls::client::{ClientOptions, Connector};
use prism_proto::INTERFACES_PREFIX;
use prism_proto::interfaces::capabilities::capabilities_interface_client::CapabilitiesInterfaceClient;
use prism_proto::interfaces::capabilities::{GetCapabilitiesRequest, GetCapabilitiesResponse};
use prism_proxy::endpoint::Endpoint;
use prism_runtime::channel;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};
use tonic::Response;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use utoipa::ToSchema;

use crate::file::policy::{Policy, Unresolved, resolve};

/// The health of a backend.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackendHealth {
    /// It accepts calls.
    Serving,
    /// It accepts no calls.
    NotServing,
    /// It was reached, but does not report its health.
    Unknown,
    /// It was not reached.
    Unreachable,
    /// It was not queried: it is embedded in the proxy, must not be reached from here, or there was no time left.
    NotAsked,
}

/// The error of a backend that has used up all of its time, at whichever step.
pub(super) const SILENT: &str = "no response in time";

/// The results, or why there are none.
pub(in crate::api) struct Probed {
    pub(in crate::api) health: BackendHealth,
    pub(in crate::api) interfaces: Option<Vec<String>>,
    pub(in crate::api) latency: Option<Duration>,
    pub(in crate::api) error: Option<String>,
    pub(in crate::api) capabilities: Option<GetCapabilitiesResponse>,
}

impl Probed {
    /// The results of no query.
    pub(in crate::api) fn not_asked() -> Self {
        Self {
            health: BackendHealth::NotAsked,
            interfaces: None,
            latency: None,
            error: None,
            capabilities: None,
        }
    }

    fn failed(health: BackendHealth, error: impl ToString) -> Self {
        Self { health, error: Some(error.to_string()), ..Self::not_asked() }
    }
}

/// Queries a backend, if the policy allows it and there is time.
pub(in crate::api) async fn probe(
    policy: &Policy,
    endpoint: &Endpoint,
    tls: Option<&ClientOptions>,
    until: Instant,
) -> Probed {
    if matches!(endpoint, Endpoint::Embedded(_)) {
        return Probed::failed(
            BackendHealth::NotAsked,
            "it is embedded in the proxy's process; see what the proxies report",
        );
    }
    if let Err(why) = policy.check(endpoint) {
        return Probed::failed(BackendHealth::NotAsked, why);
    }
    if Instant::now() >= until {
        return Probed::failed(BackendHealth::NotAsked, "there was no time left; query it again");
    }
    let asked = async {
        let channel = match connect(endpoint, tls, until).await {
            Ok(channel) => channel,
            Err(Refused::ByPolicy(why)) => return Probed::failed(BackendHealth::NotAsked, why),
            Err(Refused::ByBackend(why)) => return Probed::failed(BackendHealth::Unreachable, why),
        };
        let (health, latency, error) = ask_health(channel.clone()).await;
        let (interfaces, capabilities) = tokio::join!(
            timeout_at(until, ask_interfaces(channel.clone())),
            timeout_at(until, ask_capabilities(channel))
        );
        let (interfaces, capabilities) = (interfaces.ok().flatten(), capabilities.ok().flatten());
        Probed { health, interfaces, latency, error, capabilities }
    };
    timeout_at(until, asked).await.unwrap_or_else(|_| Probed::failed(BackendHealth::Unreachable, SILENT))
}

enum Refused {
    ByPolicy(String),
    ByBackend(String),
}

/// Connects to the current addresses of a name after checking them, so that a later answer of the resolver is not used.
async fn connect(
    endpoint: &Endpoint,
    tls: Option<&ClientOptions>,
    until: Instant,
) -> Result<Channel, Refused> {
    let limit = until - Instant::now();
    let unreached = |error: io::Error| match error.kind() {
        io::ErrorKind::TimedOut => Refused::ByBackend(SILENT.to_owned()),
        _ => Refused::ByBackend(error.to_string()),
    };
    let (stream, address) = match endpoint {
        Endpoint::Unix(path) => {
            let address = Address::Unix(path.clone());
            (dial(&address, limit).await.map_err(unreached)?, address)
        }
        Endpoint::Tcp(authority) => {
            let name = authority.as_str();
            let addresses = resolve(name).await.map_err(|error| match error {
                Unresolved::Refused(why) => Refused::ByPolicy(why),
                Unresolved::Unknown(error) => unreached(error),
            })?;
            let stream = dial_resolved(name, addresses, limit).await.map_err(unreached)?;
            (Stream::Tcp(stream), Address::Tcp(name.to_owned()))
        }
        Endpoint::Embedded(_) => return Err(Refused::ByPolicy("it has no address".to_owned())),
    };
    let stream = match tls {
        None => stream,
        Some(options) => {
            let connector = Connector::new(options.clone(), Some(Protocol::Http2));
            let connector = connector.map_err(|error| Refused::ByBackend(error.to_string()))?;
            secure(stream, address.host(), &connector, until - Instant::now()).await.map_err(unreached)?
        }
    };
    channel::over(stream, address.authority()).await.map_err(|error| Refused::ByBackend(cause(&error)))
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

async fn ask_capabilities(channel: Channel) -> Option<GetCapabilitiesResponse> {
    let question = GetCapabilitiesRequest { namespace: String::new() };
    let answer = CapabilitiesInterfaceClient::new(channel).get_capabilities(question).await;
    answer.ok().map(Response::into_inner)
}

/// The last error of the chain, which is the most specific.
fn cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
}
