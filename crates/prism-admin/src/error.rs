//! Why a request failed: one table of kinds and status codes, sent as RFC 9457 `application/problem+json`.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use prism_proto::ErrorReason;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// The kind of failure, on which programs branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request cannot be parsed.
    Malformed,
    /// The token is missing or unknown.
    Unauthenticated,
    /// The token's role does not allow it.
    Forbidden,
    /// A browser sent it for another site's page.
    CrossOrigin,
    /// The target does not exist.
    NotFound,
    /// The path does not support this method.
    MethodNotAllowed,
    /// The request did not arrive in time.
    TimedOut,
    /// A namespace or backend of this name exists.
    Exists,
    /// Namespaces use the backend.
    InUse,
    /// The current file cannot be edited.
    FileUnusable,
    /// The file was changed by somebody else at the same moment.
    ChangedMeanwhile,
    /// `If-Match` or `If-None-Match` does not hold.
    PreconditionFailed,
    /// The body is too large.
    TooLarge,
    /// The body has the wrong content type.
    MediaType,
    /// The body is well formed but breaks a rule.
    Invalid,
    /// The gateway does not serve the request.
    NotServed,
    /// What is stored does not allow the change.
    WrongValue,
    /// A limit of the gateway or the backend was reached.
    Limited,
    /// A bug.
    Internal,
    /// The backend does not offer this.
    Unsupported,
    /// The gateway or the backend cannot be reached, or failed.
    Gateway,
    /// The gateway or the backend did not respond in time.
    GatewayTimeout,
    /// The file, its folder or the token file cannot be used.
    Storage,
    /// There is no space left for the file.
    StorageFull,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 24] = [
        Self::Malformed,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::CrossOrigin,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::TimedOut,
        Self::Exists,
        Self::InUse,
        Self::FileUnusable,
        Self::ChangedMeanwhile,
        Self::PreconditionFailed,
        Self::TooLarge,
        Self::MediaType,
        Self::Invalid,
        Self::NotServed,
        Self::WrongValue,
        Self::Limited,
        Self::Internal,
        Self::Unsupported,
        Self::Gateway,
        Self::GatewayTimeout,
        Self::Storage,
        Self::StorageFull,
    ];

    /// Its status code, the last word of its `type`, and its title.
    #[must_use]
    pub fn told(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Malformed => (StatusCode::BAD_REQUEST, "malformed", "The request cannot be parsed"),
            Self::Unauthenticated => {
                (StatusCode::UNAUTHORIZED, "unauthenticated", "A bearer token is required")
            }
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "The token's role does not allow this"),
            Self::CrossOrigin => (StatusCode::FORBIDDEN, "cross-origin", "Refused for pages of other sites"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "This path does not support the method",
            ),
            Self::TimedOut => (StatusCode::REQUEST_TIMEOUT, "timed-out", "The request took too long"),
            Self::Exists => (StatusCode::CONFLICT, "exists", "The name is taken"),
            Self::InUse => (StatusCode::CONFLICT, "in-use", "Namespaces use it"),
            Self::FileUnusable => {
                (StatusCode::CONFLICT, "file-unusable", "The configuration file cannot be used")
            }
            Self::ChangedMeanwhile => (
                StatusCode::CONFLICT,
                "changed-meanwhile",
                "Somebody else changed the file at the same moment",
            ),
            Self::PreconditionFailed => {
                (StatusCode::PRECONDITION_FAILED, "precondition-failed", "It has changed since you read it")
            }
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large"),
            Self::MediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "The body has the wrong content type")
            }
            Self::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "invalid", "The request is invalid"),
            Self::NotServed => (StatusCode::CONFLICT, "not-served", "The gateway does not serve this"),
            Self::WrongValue => (StatusCode::CONFLICT, "wrong-value", "What is stored does not allow this"),
            Self::Limited => (StatusCode::TOO_MANY_REQUESTS, "limited", "A limit was reached"),
            Self::Unsupported => {
                (StatusCode::NOT_IMPLEMENTED, "unsupported", "The backend does not offer this")
            }
            Self::Gateway => {
                (StatusCode::BAD_GATEWAY, "gateway", "The gateway or the backend cannot be reached")
            }
            Self::GatewayTimeout => (
                StatusCode::GATEWAY_TIMEOUT,
                "gateway-timeout",
                "The gateway or the backend did not respond in time",
            ),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "The admin failed"),
            Self::Storage => {
                (StatusCode::SERVICE_UNAVAILABLE, "storage", "A file of the admin cannot be used")
            }
            Self::StorageFull => (StatusCode::INSUFFICIENT_STORAGE, "storage-full", "The disk is full"),
        }
    }
}

/// An invalid field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where in the body, as a JSON pointer (RFC 6901); empty for the whole body.
    #[schema(example = "/plugin/endpoint")]
    pub pointer: String,
    /// What is wrong, and what was expected.
    pub detail: String,
}

/// Why a request failed, in the form of RFC 9457.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// What to branch on: `urn:prism:problem:` and a word.
    #[serde(rename = "type")]
    #[schema(example = "urn:prism:problem:invalid")]
    pub kind_uri: String,
    /// The kind in words.
    pub title: &'static str,
    /// The HTTP status code.
    pub status: u16,
    /// What failed, and what to do next.
    pub detail: String,
    /// The reason that the gateway or the backend gave, such as `NOT_A_NUMBER`.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_word")]
    #[schema(required = false, value_type = String)]
    pub reason: Option<ErrorReason>,
    /// All invalid fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldError>,
    /// The value of the answer's `x-request-id`, for the audit log and the server's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

fn as_word<S: Serializer>(reason: &Option<ErrorReason>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.map_or("", |reason| reason.as_str_name()))
}

impl Problem {
    /// A problem of a kind, with what failed and what to do next.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (status, word, title) = kind.told();
        Self {
            kind_uri: format!("urn:prism:problem:{word}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            reason: None,
            errors: Vec::new(),
            request_id: None,
        }
    }

    /// A body with these invalid fields.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [FieldError { pointer, detail }] if pointer.is_empty() => detail.clone(),
            [FieldError { pointer, detail }] => format!("{pointer}: {detail}"),
            many => format!("{} fields are invalid; nothing was changed", many.len()),
        };
        Self { errors, ..Self::new(Kind::Invalid, detail) }
    }

    /// One invalid field.
    pub fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError { pointer: pointer.into(), detail: detail.into() }])
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response =
            (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let asks = HeaderValue::from_static("Bearer realm=\"prism-admin\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, asks);
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_status_and_a_word_of_its_own() {
        let told: Vec<_> = Kind::ALL.iter().map(|kind| (kind.told().0.as_u16(), kind.told().1)).collect();
        assert_eq!(
            told,
            [
                (400, "malformed"),
                (401, "unauthenticated"),
                (403, "forbidden"),
                (403, "cross-origin"),
                (404, "not-found"),
                (405, "method-not-allowed"),
                (408, "timed-out"),
                (409, "exists"),
                (409, "in-use"),
                (409, "file-unusable"),
                (409, "changed-meanwhile"),
                (412, "precondition-failed"),
                (413, "too-large"),
                (415, "media-type"),
                (422, "invalid"),
                (409, "not-served"),
                (409, "wrong-value"),
                (429, "limited"),
                (500, "internal"),
                (501, "unsupported"),
                (502, "gateway"),
                (504, "gateway-timeout"),
                (503, "storage"),
                (507, "storage-full"),
            ]
        );
    }
}
