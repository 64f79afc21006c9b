//! `/namespaces/{name}/list/at` and `/list/remove`: single values within a list.

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::range::RemovedValues;
use crate::api::data::{MayRead, note, told, value_of};
use crate::api::request::{Param, Params};
use crate::error::{Kind, Problem};
use crate::file::store::Caller;
use crate::gateway::problem;
use crate::state::Admin;

/// The query of one value.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AtParams {
    /// Name of the list, 1 to 4,096 bytes of UTF-8.
    key: String,
    /// From 0 at the left end, or from -1 at the right end.
    index: i64,
}

/// The query of a removal.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RemoveParams {
    /// Name of the list, 1 to 4,096 bytes of UTF-8.
    key: String,
    /// Positive: at most so many, the leftmost first. Negative: at most so many, the rightmost first. 0: all.
    count: i64,
}

/// Read the value at an index.
#[utoipa::path(get, path = "/namespaces/{name}/list/at", tag = "data", params(("name" = String, Path), AtParams),
    responses((status = 200, description = "The value.", body = String, content_type = "application/octet-stream")))]
pub async fn get(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<AtParams>,
    _: MayRead,
) -> Result<Response, Problem> {
    let value = admin.gateway.namespace(&name).list().get_at(params.key, params.index).await;
    let missing = || Problem::new(Kind::NotFound, "the list has no such index");
    value.map_err(|error| problem(&error))?.map(told).ok_or_else(missing)
}

/// Replace the value at an index.
#[utoipa::path(put, path = "/namespaces/{name}/list/at", tag = "data", params(("name" = String, Path), AtParams),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 204, description = "Replaced.")))]
pub async fn put(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<AtParams>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Result<StatusCode, Problem> {
    let value = value_of(request).await?;
    note(&admin, caller, format!("set the value at {} of a list in {name}", params.index), &params.key)
        .await?;
    let set = admin.gateway.namespace(&name).list().set_at(params.key, params.index, value).await;
    set.map(|()| StatusCode::NO_CONTENT).map_err(|error| problem(&error))
}

/// Remove the values that are equal to the body, atomically.
#[utoipa::path(post, path = "/namespaces/{name}/list/remove", tag = "data", params(("name" = String, Path), RemoveParams),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 200, description = "How many there were.", body = RemovedValues)))]
pub async fn remove(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<RemoveParams>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Result<Json<RemovedValues>, Problem> {
    let value = value_of(request).await?;
    note(&admin, caller, format!("remove a value from a list in {name}"), &params.key).await?;
    let removed = admin.gateway.namespace(&name).list().remove(params.key, value, params.count).await;
    removed.map(|removed| Json(RemovedValues { removed })).map_err(|error| problem(&error))
}
