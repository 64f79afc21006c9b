//! The proxy's own errors. A plugin's errors are passed on unchanged.

use std::fmt;
use std::time::Duration;

use prism_auth::Identity;
use prism_grpc::pump::STALL_MAX;
use prism_proto::error::APPLIED;
use prism_proto::{Applied, Error, ErrorReason, limits};
use tonic::Code;

use crate::endpoint::Endpoint;

/// A backend in messages: where it is, unless that is not for the caller.
#[derive(Clone, Copy, Debug)]
pub enum BackendName<'a> {
    /// With its endpoint.
    Shown(&'a Endpoint),
    /// Without.
    Hidden,
}

impl<'a> BackendName<'a> {
    /// The name of the backend at an endpoint.
    #[must_use]
    pub fn of(endpoint: &'a Endpoint, shown: bool) -> Self {
        if shown { Self::Shown(endpoint) } else { Self::Hidden }
    }

    /// A reason, which may have addresses.
    fn because(self, why: &dyn fmt::Display) -> String {
        match self {
            Self::Shown(_) => format!(": {why}"),
            Self::Hidden => String::new(),
        }
    }
}

impl fmt::Display for BackendName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shown(endpoint) => write!(f, "the backend {endpoint}"),
            Self::Hidden => f.write_str("the backend"),
        }
    }
}

/// An error of an embedded backend for a caller who must not learn where that has its data: its driver says so where it
/// cannot reach a server.
#[must_use]
pub fn without_addresses(mut error: Error, namespace: &str) -> Error {
    if error.reason.code() == Code::Unavailable {
        error.message = format!("the backend of namespace {namespace} is not available").into();
    }
    error
}

/// The namespace is not the caller's, or does not exist: nobody learns which. Nor does the message say which right the
/// method needs, because that may depend on the backend.
#[must_use]
pub fn denied(caller: Option<&Identity>) -> Error {
    let Some(caller) = caller else { return prism_auth::error::missing() };
    let why = format!(
        "{caller} may not call this method in this namespace; ask for access to it: read for methods without side effects, \
         write for the others"
    );
    Error::new(ErrorReason::PermissionDenied, why).with(APPLIED, Applied::No.as_str())
}

/// The namespace is not in the configuration.
#[must_use]
pub fn namespace_not_found(namespace: &str) -> Error {
    if !limits::is_namespace(namespace) {
        return Error::new(
            ErrorReason::NamespaceInvalid,
            format!(
                "namespace is not valid; it is 1 to {} characters of a-z, 0-9 and -, starting with a letter (empty \
                 means {})",
                limits::NAMESPACE_BYTES_MAX,
                limits::NAMESPACE_DEFAULT
            ),
        )
        .with("field", "namespace")
        .with("limit", limits::NAMESPACE_BYTES_MAX.to_string())
        .with("size", namespace.len().to_string());
    }
    Error::new(
        ErrorReason::NamespaceNotFound,
        format!("namespace {namespace} is not configured; add it to the proxy's configuration"),
    )
    .with("namespace", namespace)
}

/// The backend does not have this interface, or the namespace's settings exclude it.
#[must_use]
pub fn interface_not_served(namespace: &str, interface: &str, why: &str) -> Error {
    Error::new(
        ErrorReason::InterfaceNotServed,
        format!("namespace {namespace} does not serve {interface}: {why}"),
    )
    .with("namespace", namespace)
    .with("interface", interface)
}

/// The namespace is read-only.
#[must_use]
pub fn read_only(namespace: &str) -> Error {
    Error::new(
        ErrorReason::ReadOnly,
        format!("namespace {namespace} is read-only; only methods without side effects are served"),
    )
    .with("namespace", namespace)
}

/// Calls arrive faster than the namespace allows.
#[must_use]
pub fn rate_limit(namespace: &str, per_second: u32, wait: Duration) -> Error {
    let mut error = Error::new(
        ErrorReason::RateLimit,
        format!("namespace {namespace} allows {per_second} calls per second at this proxy; retry later"),
    )
    .with("namespace", namespace)
    .with("limit", per_second.to_string());
    error.retry_delay = Some(wait);
    error
}

/// The namespace has reached its limit of calls in flight.
#[must_use]
pub fn too_many_in_flight(namespace: &str, max: usize) -> Error {
    Error::new(
        ErrorReason::TooManyInFlight,
        format!("namespace {namespace} is at its limit of {max} calls in flight at this proxy; retry later"),
    )
    .with("namespace", namespace)
    .with("limit", max.to_string())
}

/// The connection or namespace that `whose` names has used up its share of streams at the backend.
#[must_use]
pub fn no_place(namespace: &str, whose: &str, max: usize) -> Error {
    let why = format!(
        "{whose} has used up its share of {max} streams at the backend of namespace {namespace}; end some"
    );
    Error::new(ErrorReason::TooManyInFlight, why)
        .with("namespace", namespace)
        .with("limit", max.to_string())
        .with(APPLIED, Applied::No.as_str())
}

/// The backend does not read what the client sends.
#[must_use]
pub fn backend_stalled(namespace: &str, backend: BackendName<'_>) -> Error {
    Error::unavailable(
        ErrorReason::BackendLost,
        Applied::Maybe,
        format!(
            "{backend} of namespace {namespace} has not read any of the request for {} s",
            STALL_MAX.as_secs()
        ),
    )
    .with("namespace", namespace)
}

/// The proxy cannot connect to the backend, which has not seen the call.
#[must_use]
pub fn backend_unreachable(namespace: &str, backend: BackendName<'_>, why: &str) -> Error {
    Error::unavailable(
        ErrorReason::BackendUnreachable,
        Applied::No,
        format!("{backend} of namespace {namespace} cannot be reached{}", backend.because(&why)),
    )
    .with("namespace", namespace)
}

/// The connection to the backend was lost during the call.
#[must_use]
pub fn backend_lost(namespace: &str, backend: BackendName<'_>, why: &prism_http2::Error) -> Error {
    Error::unavailable(
        ErrorReason::BackendLost,
        Applied::Maybe,
        format!("{backend} of namespace {namespace} was lost before its response{}", backend.because(why)),
    )
    .with("namespace", namespace)
}

/// The server at the backend's address does not speak gRPC.
#[must_use]
pub fn not_grpc(namespace: &str, backend: BackendName<'_>, status: http::StatusCode) -> Error {
    Error::unavailable(
        ErrorReason::BackendUnreachable,
        Applied::Maybe,
        format!("{backend} of namespace {namespace} returned HTTP {status}, which is not gRPC"),
    )
    .with("namespace", namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_is_named_only_to_those_who_may_know() {
        let endpoint: Endpoint = "plugin-1:50051".parse().unwrap();
        let error = |shown| {
            backend_unreachable("orders", BackendName::of(&endpoint, shown), "10.0.0.7:50051: refused")
                .message
        };
        assert!(error(true).contains("plugin-1:50051") && error(true).contains("10.0.0.7"));
        assert_eq!(error(false), "the backend of namespace orders cannot be reached");
        let of_driver = Error::unavailable(ErrorReason::BackendLost, Applied::Maybe, "10.0.0.7:6379 is gone");
        let hidden = without_addresses(of_driver, "orders");
        assert_eq!(
            (&*hidden.message, hidden.fact(APPLIED)),
            ("the backend of namespace orders is not available", Some("maybe"))
        );
        let other = Error::new(ErrorReason::KeyNotFound, "there is no such key");
        assert_eq!(without_addresses(other.clone(), "orders"), other);
    }
}
