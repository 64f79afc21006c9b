//! What an endpoint reports about itself: health, reflection, capabilities, usage.

use std::time::Duration;

use prism_proto::interfaces::capabilities::GetCapabilitiesRequest;
use prism_proto::interfaces::capabilities::capabilities_interface_client::CapabilitiesInterfaceClient;
use prism_proto::interfaces::usage::GetUsageRequest;
use prism_proto::interfaces::usage::usage_interface_client::UsageInterfaceClient;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::table;
use crate::conformance::expect::{Stop, Verdict, answered, describe, failed, holds, same};
use crate::conformance::trial::Trial;

table! {
    "health/server-is-serving",
        "grpc.health.v1 Check of the empty service returns SERVING; a plugin should serve it",
        [], server_is_serving;
    "health/interfaces-are-serving",
        "grpc.health.v1 Check of each interface that is served returns SERVING",
        [], interfaces_are_serving;
    "health/unknown-service-is-not-found",
        "grpc.health.v1 Check of an unknown service gets NOT_FOUND",
        [], unknown_service_is_not_found;
    "health/watch-begins-with-the-status",
        "grpc.health.v1 Watch sends the current status at once",
        [], watch_begins_with_the_status;
    "reflection/lists-what-is-served",
        "reflection, if served, lists every interface that is served",
        [], lists_what_is_served;
    "capabilities/answer-in-any-namespace",
        "GetCapabilities, if served, returns the same with and without a namespace",
        [], answer_in_any_namespace;
    "usage/answers-in-any-namespace",
        "GetUsage, if served, answers with and without a namespace",
        [], usage_answers_in_any_namespace;
}

/// The health of a service.
async fn check(t: &Trial<'_>, service: &str) -> Result<ServingStatus, Status> {
    let request = HealthCheckRequest { service: service.to_owned() };
    Ok(HealthClient::new(t.channel.clone()).check(request).await?.into_inner().status())
}

fn no_health<T>() -> Verdict<T> {
    Err(Stop::NotApplicable("grpc.health.v1 is not served".to_owned()))
}

/// The served interfaces by their full names.
fn interfaces(t: &Trial<'_>) -> Vec<&'static str> {
    t.target.served.interfaces.iter().map(|interface| interface.service()).collect()
}

async fn server_is_serving(t: &Trial<'_>) -> Verdict {
    match check(t, "").await {
        Err(status) if status.code() == Code::Unimplemented => {
            t.warn("grpc.health.v1 is not served".to_owned());
            Ok(())
        }
        answer => same("Check of the server", &answered("Check", answer)?, &ServingStatus::Serving),
    }
}

async fn interfaces_are_serving(t: &Trial<'_>) -> Verdict {
    for interface in interfaces(t) {
        match check(t, interface).await {
            Err(status) if status.code() == Code::Unimplemented => return no_health(),
            Err(status) if status.code() == Code::NotFound && !lists_interfaces(t) => {
                let why = "the endpoint is a gateway: its health is its own".to_owned();
                return Err(Stop::NotApplicable(why));
            }
            answer => {
                let what = format!("Check of {interface}");
                same(&what, &answered(&what, answer)?, &ServingStatus::Serving)?;
            }
        }
    }
    Ok(())
}

async fn unknown_service_is_not_found(t: &Trial<'_>) -> Verdict {
    match check(t, "prism.interfaces.none.NoSuchInterface").await {
        Err(status) if status.code() == Code::Unimplemented => no_health(),
        Err(status) if status.code() == Code::NotFound => Ok(()),
        Err(status) => {
            failed(format!("Check of an unknown service: expected NOT_FOUND, got {}", describe(&status)))
        }
        Ok(status) => failed(format!("Check of an unknown service: expected NOT_FOUND, got {status:?}")),
    }
}

async fn watch_begins_with_the_status(t: &Trial<'_>) -> Verdict {
    let watch = async {
        let request = HealthCheckRequest { service: String::new() };
        let mut statuses = HealthClient::new(t.channel.clone()).watch(request).await?.into_inner();
        Ok(statuses.message().await?.map(|message| message.status()))
    };
    match tokio::time::timeout(Duration::from_secs(10), watch).await {
        Err(_) => failed("Watch of the server: no status within 10 s"),
        Ok(Err::<_, Status>(status)) if status.code() == Code::Unimplemented => no_health(),
        Ok(answer) => {
            same("the first status of Watch", &answered("Watch", answer)?, &Some(ServingStatus::Serving))
        }
    }
}

/// Whether reflection shows a plugin: a gateway's shows only its own services.
fn lists_interfaces(t: &Trial<'_>) -> bool {
    let is_pattern = |name: &String| name.starts_with("prism.interfaces.");
    t.target.listed.iter().flatten().any(is_pattern)
}

async fn lists_what_is_served(t: &Trial<'_>) -> Verdict {
    let Some(listed) = &t.target.listed else {
        return Err(Stop::NotApplicable("reflection is not served".to_owned()));
    };
    if !lists_interfaces(t) {
        return Err(Stop::NotApplicable("the endpoint is a gateway: its reflection is its own".to_owned()));
    }
    for interface in interfaces(t) {
        holds(listed.iter().any(|name| name == interface), || {
            format!("{interface} is served but missing from the {} services of reflection", listed.len())
        })?;
    }
    Ok(())
}

async fn answer_in_any_namespace(t: &Trial<'_>) -> Verdict {
    let mut client = CapabilitiesInterfaceClient::new(t.channel.clone());
    let mut answers = Vec::new();
    for namespace in [t.namespace.as_str(), ""] {
        let request = GetCapabilitiesRequest { namespace: namespace.to_owned() };
        match client.get_capabilities(request).await {
            Err(status) if status.code() == Code::Unimplemented => {
                return Err(Stop::NotApplicable(
                    "capabilities are not served; nothing is promised".to_owned(),
                ));
            }
            answer => answers.push(t.known(answer)?.into_inner()),
        }
    }
    same("GetCapabilities with an empty namespace", &answers[1], &answers[0])
}

async fn usage_answers_in_any_namespace(t: &Trial<'_>) -> Verdict {
    let mut client = UsageInterfaceClient::new(t.channel.clone());
    for namespace in [t.namespace.as_str(), ""] {
        match client.get_usage(GetUsageRequest { namespace: namespace.to_owned() }).await {
            Err(status) if status.code() == Code::Unimplemented => {
                return Err(Stop::NotApplicable("usage is not served".to_owned()));
            }
            answer => drop(t.known(answer)?),
        }
    }
    Ok(())
}
