//! What is known of an endpoint, and a run of the cases against it.

use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use prism_proto::ErrorReason;
use prism_proto::interfaces::capabilities::GetCapabilitiesRequest;
use prism_proto::interfaces::capabilities::capabilities_interface_client::CapabilitiesInterfaceClient;
use prism_proto::methods::service_of;
use prost::Message as _;
use tonic::Code;
use tonic::transport::Channel;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use super::calls::{KEYVALUE, LIST, Method, SCAN, call_method};
use super::cases::{Case, Need, cases};
use super::endpoint::Endpoint;
use super::expect::{Stop, describe};
use super::raw::{Raw, RawCall};
use super::report::{CaseReport, Outcome, Report};
use super::trial::{Trial, reason};
use crate::Capabilities;

/// What a run does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The namespace to work in. Cases of isolation also make namespaces of their own, named `conformance-…`.
    pub namespace: String,
    /// The cases to run: names, or what names begin with, such as `ttl/`; empty for all.
    pub only: Vec<String>,
    /// Cases under way at once. Most wait: for expiry, or for their own concurrent calls.
    pub concurrency: usize,
    /// A case that takes longer has failed.
    pub case_timeout: Duration,
    /// Keys of the big scan.
    pub scan_keys: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            namespace: "default".to_owned(),
            only: Vec::new(),
            concurrency: 8,
            case_timeout: Duration::from_secs(60),
            scan_keys: 2000,
        }
    }
}

/// Why there was no run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SuiteError {
    /// The endpoint is not written as one.
    Endpoint(String),
    /// Nothing answers there.
    Unreachable(String),
    /// What answers serves none of the interfaces, or not this namespace.
    NothingServed(String),
}

impl std::fmt::Display for SuiteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Endpoint(sentence) | Self::Unreachable(sentence) | Self::NothingServed(sentence)) = self;
        f.write_str(sentence)
    }
}

impl std::error::Error for SuiteError {}

/// Runs the cases against an endpoint: `HOST:PORT`, `http://HOST:PORT` or `unix:PATH`, of a plugin or a gateway.
/// `on_finished` sees each case when it and those before it have ended.
///
/// # Errors
/// There is nothing to run against. A case that fails is no error here: see [`Report::is_conformant`].
///
/// # Cancel safety
/// Dropped before its end it leaves keys behind that begin with `conformance-`.
pub async fn run(
    endpoint: &str,
    options: &Options,
    mut on_finished: impl FnMut(&CaseReport),
) -> Result<Report, SuiteError> {
    let suite = match tokio::time::timeout(options.case_timeout, Suite::discover(endpoint, options)).await {
        Ok(suite) => suite?,
        Err(_) => {
            let sentence = format!("{endpoint} does not answer within {:?}", options.case_timeout);
            return Err(SuiteError::Unreachable(sentence));
        }
    };
    let is_chosen = |case: &&Case| {
        options.only.is_empty() || options.only.iter().any(|only| case.name().starts_with(only))
    };
    let runs: Vec<_> = cases().filter(is_chosen).map(|case| Box::pin(suite.run_case(case))).collect();
    let mut reports = Vec::with_capacity(runs.len());
    let mut runs = stream::iter(runs).buffered(options.concurrency.max(1));
    while let Some(report) = runs.next().await {
        on_finished(&report);
        reports.push(report);
    }
    Ok(Report { endpoint: endpoint.to_owned(), cases: reports })
}

/// Which interfaces are served.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Served {
    pub(super) keyvalue: bool,
    pub(super) scan: bool,
    pub(super) list: bool,
}

/// An endpoint and what is known of it.
pub(super) struct Suite {
    pub(super) endpoint: Endpoint,
    pub(super) options: Options,
    pub(super) channel: Channel,
    /// Makes the keys of this run its own.
    pub(super) id: String,
    pub(super) served: Served,
    pub(super) promised: Capabilities,
    /// The services that reflection lists, if it answers.
    pub(super) listed: Option<Vec<String>>,
}

impl Suite {
    async fn discover(text: &str, options: &Options) -> Result<Self, SuiteError> {
        let endpoint: Endpoint =
            text.parse().map_err(|error| SuiteError::Endpoint(format!("{text}: {error}")))?;
        let unreachable = |error: String| SuiteError::Unreachable(format!("cannot reach {text}: {error}"));
        let raw = Raw::connect(&endpoint).await.map_err(unreachable)?;
        let channel = endpoint.channel(None).map_err(|error| unreachable(error.to_string()))?;
        let listed = listed_services(&raw).await;

        let id = format!("{:012x}", fastrand::u64(..1 << 48));
        let mut suite = Self {
            endpoint,
            options: options.clone(),
            channel,
            id,
            served: Served::default(),
            promised: Capabilities::default(),
            listed,
        };
        let served = Served {
            keyvalue: suite.is_served(&KEYVALUE[0]).await?,
            scan: suite.is_served(&SCAN[0]).await?,
            list: suite.is_served(&LIST[0]).await?,
        };
        if !(served.keyvalue || served.scan || served.list) {
            return Err(SuiteError::NothingServed(format!("{text} serves neither KeyValue nor List")));
        }
        suite.served = served;
        suite.promised = suite.promises().await;
        Ok(suite)
    }

    /// Whether an interface is served: reflection lists it, or its first method is not UNIMPLEMENTED.
    async fn is_served(&self, method: &Method) -> Result<bool, SuiteError> {
        let service = service_of(method.path);
        if self.listed.iter().flatten().any(|listed| listed == service) {
            return Ok(true);
        }
        let name = format!("conformance-{}/probe", self.id);
        match call_method(&self.channel, method.path, &self.options.namespace, &name).await {
            Err(status) => match (status.code(), reason(&status)) {
                (Code::Unimplemented, _) | (_, Some(ErrorReason::InterfaceNotServed)) => Ok(false),
                (Code::Unavailable, _) => Err(SuiteError::Unreachable(describe(&status))),
                (_, Some(ErrorReason::NamespaceNotFound)) => {
                    Err(SuiteError::NothingServed(describe(&status)))
                }
                _ => Ok(true),
            },
            Ok(_) => Ok(true),
        }
    }

    /// The declared promises; a plugin that does not say promises nothing.
    async fn promises(&self) -> Capabilities {
        let mut client = CapabilitiesInterfaceClient::new(self.channel.clone());
        let request = GetCapabilitiesRequest { namespace: self.options.namespace.clone() };
        match client.get_capabilities(request).await {
            Err(_) => Capabilities::default(),
            Ok(answer) => {
                let promised = answer.into_inner();
                Capabilities {
                    ordered: promised.ordered,
                    scan_exactly_once: promised.scan_exactly_once,
                    exact_count: promised.exact_count,
                    linearizable: promised.linearizable,
                    in_memory: promised.in_memory,
                }
            }
        }
    }

    async fn run_case(&self, case: &'static Case) -> CaseReport {
        let begun = Instant::now();
        let outcome = match case.needs.iter().find_map(|need| self.lacks(*need)) {
            Some(why) => Outcome::NotApplicable { why: why.to_owned() },
            None => self.try_case(case).await,
        };
        CaseReport { name: case.name(), rule: case.rule(), outcome, duration: begun.elapsed() }
    }

    async fn try_case(&self, case: &'static Case) -> Outcome {
        let trial = Trial::new(self, case.name());
        let limit = self.options.case_timeout;
        let verdict = tokio::time::timeout(limit, (case.run)(&trial)).await;
        trial.clean_up().await;
        match verdict {
            Err(_) => Outcome::Failed { failure: format!("it did not end within {limit:?}") },
            Ok(Err(Stop::Failed(failure))) => Outcome::Failed { failure },
            Ok(Err(Stop::NotApplicable(why))) => Outcome::NotApplicable { why },
            Ok(Ok(())) => match trial.into_warnings() {
                warnings if warnings.is_empty() => Outcome::Passed,
                warnings => Outcome::Warned { warnings },
            },
        }
    }

    fn lacks(&self, need: Need) -> Option<&'static str> {
        let (there, why) = match need {
            Need::KeyValue => (self.served.keyvalue, "KeyValueBasicInterface is not served"),
            Need::Scan => (self.served.scan, "KeyValueScanInterface is not served"),
            Need::List => (self.served.list, "ListBasicInterface is not served"),
            Need::Ordered => (self.promised.ordered, "the capability ordered is not declared"),
            Need::Unordered => (!self.promised.ordered, "the capability ordered is declared"),
            Need::ExactlyOnce => {
                (self.promised.scan_exactly_once, "the capability scan_exactly_once is not declared")
            }
            Need::ExactCount => (self.promised.exact_count, "the capability exact_count is not declared"),
            Need::Linearizable => (self.promised.linearizable, "the capability linearizable is not declared"),
        };
        (!there).then_some(why)
    }
}

/// The services that reflection lists, v1 or v1alpha (the messages are the same); `None` where neither is served.
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
