//! `/namespaces/{name}/keys`, `/count`, `/value`, `/ttl`, `/increment`, `/lists` and `/list`: the data of a namespace, through the gateway. Reading
//! requires the role data, changing the role write; each change is recorded in the audit log before it is made.

mod condition;
pub mod counter;
pub mod deletion;
pub mod keys;
pub mod list;
pub mod ttl;
pub mod value;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::request::Parts;
use prism_proto::limits::VALUE_BYTES_MAX;
use serde::Deserialize;
use utoipa::IntoParams;

use super::request::body;
use crate::auth::Role;
use crate::error::{Kind, Problem};
use crate::file::store::Caller;
use crate::state::Admin;

const BYTES: &str = "application/octet-stream";

/// The query of a value.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KeyParams {
    /// 1 to 4,096 bytes of UTF-8.
    key: String,
}

/// Proof that the sender may see keys and values.
#[derive(Clone, Copy, Debug)]
pub struct MayRead;

impl<S: Send + Sync> FromRequestParts<S> for MayRead {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parts.extensions.get::<Role>() {
            Some(role) if *role >= Role::Data => Ok(Self),
            _ => Err(Problem::new(
                Kind::Forbidden,
                "keys and values require a token of the role data or write; this one may read configuration and metrics",
            )),
        }
    }
}

/// Records a change of data in the audit log, before it is made.
async fn note(admin: &Admin, caller: Caller, action: String, key: &str) -> Result<(), Problem> {
    let key = key.to_owned();
    admin.blocking(move |store| store.note(&caller, &action, &key)).await
}

/// The body of a value.
async fn value_of(request: Request<Body>) -> Result<Bytes, Problem> {
    body(request, &[BYTES], VALUE_BYTES_MAX).await
}

/// A value, unchanged: never a page, whatever its bytes look like.
fn told(value: Bytes) -> Response {
    ([(CONTENT_TYPE, BYTES), (CONTENT_DISPOSITION, "attachment; filename=\"value\"")], value).into_response()
}
