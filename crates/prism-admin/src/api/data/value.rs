//! `/namespaces/{name}/value`: one value, by its key.

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{KeyParams, MayRead, note, told, value_of};
use crate::api::request::{Param, Params};
use crate::error::Problem;
use crate::file::store::Caller;
use crate::gateway::problem;
use crate::state::Admin;

/// The query of a value that is written.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SetParams {
    /// 1 to 4,096 bytes of UTF-8.
    pub(super) key: String,
    /// Time to live in seconds, up to 100 years; default: forever. Replaces the previous one.
    ttl_seconds: Option<i64>,
}

/// What a removal found.
#[derive(Debug, Serialize, ToSchema)]
pub struct Removed {
    /// Whether the key existed.
    found: bool,
}

/// Read a value, byte for byte.
#[utoipa::path(get, path = "/namespaces/{name}/value", tag = "data", params(("name" = String, Path), KeyParams),
    responses((status = 200, description = "The value.", body = String, content_type = "application/octet-stream")))]
pub async fn get(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<KeyParams>,
    _: MayRead,
) -> Result<Response, Problem> {
    let value = admin.gateway.namespace(&name).keyvalue().get(params.key).await;
    value.map(told).map_err(|error| problem(&error))
}

/// Store a value, replacing the key's value and time to live.
#[utoipa::path(put, path = "/namespaces/{name}/value", tag = "data", params(("name" = String, Path), SetParams),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 204, description = "Stored.")))]
pub async fn put(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<SetParams>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Result<StatusCode, Problem> {
    let value = value_of(request).await?;
    note(&admin, caller, format!("set a key in {name}"), &params.key).await?;
    let mut call = admin.gateway.namespace(&name).keyvalue().set(params.key, value);
    if let Some(seconds) = params.ttl_seconds {
        call = call.ttl_seconds(seconds);
    }
    call.await.map_err(|error| problem(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove a key. A missing key is not an error.
#[utoipa::path(delete, path = "/namespaces/{name}/value", tag = "data", params(("name" = String, Path), KeyParams),
    responses((status = 200, description = "The key no longer exists.", body = Removed)))]
pub async fn delete(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<KeyParams>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Removed>, Problem> {
    note(&admin, caller, format!("delete a key in {name}"), &params.key).await?;
    let found = admin.gateway.namespace(&name).keyvalue().delete(params.key).await;
    found.map(|found| Json(Removed { found })).map_err(|error| problem(&error))
}
