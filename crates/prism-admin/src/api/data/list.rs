//! `/namespaces/{name}/list`: one list, by its key; its length and its ends. What lies between them, and which lists there are, is in
//! the modules that are named after the interfaces.

pub mod indexing;
pub mod range;
pub mod reserve;
pub mod scan;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{KeyParams, MayRead, note, told, value_of};
use crate::api::request::{Param, Params};
use crate::error::Problem;
use crate::file::store::Caller;
use crate::gateway::problem;
use crate::state::Admin;

/// An end of a list.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// The head.
    Left,
    /// The tail.
    Right,
}

impl End {
    fn word(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
        }
    }
}

/// The query of a push or pop.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EndParams {
    /// Name of the list, 1 to 4,096 bytes of UTF-8.
    key: String,
    /// The end to push to or pop from.
    #[param(inline)]
    end: End,
}

/// A list's length.
#[derive(Debug, Serialize, ToSchema)]
pub struct Length {
    /// The number of values; 0 for a missing list.
    length: u64,
}

/// Show the length of a list.
#[utoipa::path(get, path = "/namespaces/{name}/list", tag = "data", params(("name" = String, Path), KeyParams),
    responses((status = 200, description = "0 for a missing list.", body = Length)))]
pub async fn get(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<KeyParams>,
    _: MayRead,
) -> Result<Json<Length>, Problem> {
    let length = admin.gateway.namespace(&name).list().length(params.key).await;
    length.map(|length| Json(Length { length })).map_err(|error| problem(&error))
}

/// Push a value.
#[utoipa::path(post, path = "/namespaces/{name}/list", tag = "data", params(("name" = String, Path), EndParams),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 200, description = "The length after the push.", body = Length)))]
pub async fn push(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<EndParams>,
    Extension(caller): Extension<Caller>,
    request: Request<Body>,
) -> Result<Json<Length>, Problem> {
    let value = value_of(request).await?;
    note(&admin, caller, format!("push {} in {name}", params.end.word()), &params.key).await?;
    let list = admin.gateway.namespace(&name).list();
    let length = match params.end {
        End::Left => list.push_left(params.key, value).await,
        End::Right => list.push_right(params.key, value).await,
    };
    length.map(|length| Json(Length { length })).map_err(|error| problem(&error))
}

/// Pop a value. Not DELETE, because proxies and HTTP libraries may retry that, which would pop a second value.
#[utoipa::path(post, path = "/namespaces/{name}/list/pop", tag = "data", params(("name" = String, Path), EndParams),
    responses((status = 200, description = "The value.", body = String, content_type = "application/octet-stream"),
    (status = 204, description = "The list is empty.")))]
pub async fn pop(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<EndParams>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    note(&admin, caller, format!("pop {} in {name}", params.end.word()), &params.key).await?;
    let list = admin.gateway.namespace(&name).list();
    let value = match params.end {
        End::Left => list.pop_left(params.key).await,
        End::Right => list.pop_right(params.key).await,
    };
    let value = value.map_err(|error| problem(&error))?;
    Ok(value.map_or_else(|| StatusCode::NO_CONTENT.into_response(), told))
}

/// Pop a value. Deprecated: use `POST /namespaces/{name}/list/pop`. A proxy or an HTTP library that retries this pops again.
#[utoipa::path(delete, path = "/namespaces/{name}/list", tag = "data", params(("name" = String, Path), EndParams),
    responses((status = 200, description = "The value.", body = String, content_type = "application/octet-stream"),
    (status = 204, description = "The list is empty.")))]
#[deprecated]
pub async fn pop_by_delete(
    admin: State<Admin>,
    name: Param<String>,
    params: Params<EndParams>,
    caller: Extension<Caller>,
) -> Result<Response, Problem> {
    pop(admin, name, params, caller).await
}
