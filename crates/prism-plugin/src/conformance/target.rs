//! The endpoint under test, and what is known about it: which interfaces it serves, and what it promises.

use std::time::Duration;

use http::HeaderValue;
use prism_net::tls::client::Connector;
use prism_proto::ErrorReason;
use prism_proto::interfaces::capabilities::GetCapabilitiesRequest;
use prism_proto::interfaces::capabilities::capabilities_interface_client::CapabilitiesInterfaceClient;
use prost::Message as _;
use tonic::Code;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use super::calls::{Interface, call_method};
use super::endpoint::{Channel, Endpoint};
use super::expect::{describe, reason};
use super::raw::{Raw, RawCall};
use crate::capabilities::Capabilities;

/// The options of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The namespace to work in. Isolation cases also create their own namespaces, named `conformance-…`.
    pub namespace: String,
    /// The cases to run, by name or by prefix, such as `ttl/`; empty for all.
    pub only: Vec<String>,
    /// The header `authorization` of every call.
    pub authorization: Option<HeaderValue>,
    /// Secures the connections; `None` for plaintext.
    pub tls: Option<Connector>,
    /// How many cases run concurrently. Most wait: for expiry, or for their own concurrent calls.
    pub concurrency: usize,
    /// A case that takes longer fails.
    pub case_timeout: Duration,
    /// The number of keys of the big scan.
    pub scan_keys: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            namespace: "default".to_owned(),
            only: Vec::new(),
            authorization: None,
            tls: None,
            concurrency: 8,
            case_timeout: Duration::from_secs(60),
            scan_keys: 2000,
        }
    }
}

/// Why there was no run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SuiteError {
    /// The endpoint is malformed.
    Endpoint(String),
    /// Nothing responds there.
    Unreachable(String),
    /// The server serves none of the interfaces, or not this namespace.
    NothingServed(String),
}

impl std::fmt::Display for SuiteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Endpoint(sentence) | Self::Unreachable(sentence) | Self::NothingServed(sentence)) = self;
        f.write_str(sentence)
    }
}

impl std::error::Error for SuiteError {}

/// Which interfaces are served.
#[derive(Clone, Debug, Default)]
pub(super) struct Served {
    pub(super) interfaces: Vec<Interface>,
}

impl Served {
    /// Whether values can be stored by key.
    pub(super) fn keyvalue(&self) -> bool {
        self.has(Interface::KeyValue)
    }

    /// Whether lists can be pushed to.
    pub(super) fn list(&self) -> bool {
        self.has(Interface::List)
    }

    pub(super) fn has(&self, interface: Interface) -> bool {
        self.interfaces.contains(&interface)
    }
}

/// An endpoint and what is known about it.
pub(super) struct Target {
    pub(super) endpoint: Endpoint,
    pub(super) options: Options,
    pub(super) channel: Channel,
    /// A random part of this run's keys.
    pub(super) id: String,
    pub(super) served: Served,
    pub(super) promised: Capabilities,
    /// The services that reflection lists, if it is served.
    pub(super) listed: Option<Vec<String>>,
}

impl Target {
    pub(super) async fn discover(text: &str, options: &Options) -> Result<Self, SuiteError> {
        let endpoint: Endpoint =
            text.parse().map_err(|error| SuiteError::Endpoint(format!("{text}: {error}")))?;
        let endpoint = endpoint.with(options.authorization.clone(), options.tls.clone());
        let unreachable = |error: String| SuiteError::Unreachable(format!("cannot reach {text}: {error}"));
        let raw = Raw::connect(&endpoint).await.map_err(unreachable)?;
        let channel = endpoint.channel(None).map_err(|error| unreachable(error.to_string()))?;
        let listed = listed_services(&raw).await;

        let id = format!("{:012x}", fastrand::u64(..1 << 48));
        let mut target = Self {
            endpoint,
            options: options.clone(),
            channel,
            id,
            served: Served::default(),
            promised: Capabilities::default(),
            listed,
        };
        let mut served = Served::default();
        for interface in Interface::ALL {
            if target.is_served(*interface).await? {
                served.interfaces.push(*interface);
            }
        }
        if !(served.keyvalue() || served.has(Interface::Scan) || served.list()) {
            return Err(SuiteError::NothingServed(format!("{text} serves neither KeyValue nor List")));
        }
        target.served = served;
        target.promised = target.promises().await;
        Ok(target)
    }

    /// Whether an interface is served: reflection lists it, or its first method is not UNIMPLEMENTED. A gateway lists what any
    /// namespace may serve, and says of a method that this one does not.
    async fn is_served(&self, interface: Interface) -> Result<bool, SuiteError> {
        let is_listed = self.listed.iter().flatten().any(|listed| listed == interface.service());
        let method = &interface.methods()[0];
        let name = match method.is_keyed() {
            true => String::new(),
            false => format!("conformance-{}/probe", self.id),
        };
        match call_method(&self.channel, method.path, &self.options.namespace, &name).await {
            Err(status) => match (status.code(), reason(&status)) {
                (_, Some(ErrorReason::InterfaceNotServed)) => Ok(false),
                _ if is_listed => Ok(true),
                (Code::Unimplemented, _) => Ok(false),
                (Code::Unavailable, _) => Err(SuiteError::Unreachable(describe(&status))),
                (_, Some(ErrorReason::NamespaceNotFound)) => {
                    Err(SuiteError::NothingServed(describe(&status)))
                }
                _ => Ok(true),
            },
            Ok(_) => Ok(true),
        }
    }

    /// The declared promises; a plugin that does not declare any promises nothing.
    async fn promises(&self) -> Capabilities {
        let mut client = CapabilitiesInterfaceClient::new(self.channel.clone());
        let request = GetCapabilitiesRequest { namespace: self.options.namespace.clone() };
        match client.get_capabilities(request).await {
            Err(_) => Capabilities::default(),
            Ok(answer) => answer.into_inner().into(),
        }
    }
}

/// The services that reflection lists, v1 or v1alpha (the messages are the same); `None` if neither is served.
async fn listed_services(raw: &Raw) -> Option<Vec<String>> {
    let message_request = Some(MessageRequest::ListServices(String::new()));
    let request = ServerReflectionRequest { host: String::new(), message_request };
    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        let answer = raw.call(RawCall::message(&path, &request)).await.ok()?;
        let Ok(message) = answer.outcome() else { continue };
        let Ok(response) = ServerReflectionResponse::decode(message) else { continue };
        if let Some(MessageResponse::ListServicesResponse(list)) = response.message_response {
            return Some(list.service.into_iter().map(|service| service.name).collect());
        }
    }
    None
}
