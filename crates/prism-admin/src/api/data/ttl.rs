//! `/namespaces/{name}/ttl`: the time that a key has left to live, without its value.

use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, State};
use http::StatusCode;
use prism_client::Call;
use prism_client::method::Expiring;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{KeyParams, MayRead, note};
use crate::api::request::{Param, Params};
use crate::error::{Kind, Problem};
use crate::file::store::Caller;
use crate::gateway::problem;
use crate::state::Admin;

/// The query of a new time to live.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExpireParams {
    /// 1 to 4,096 bytes of UTF-8.
    key: String,
    /// Time to live from now in milliseconds, up to 100 years.
    ttl_millis: i64,
}

/// How long a key lives.
#[derive(Debug, Serialize, ToSchema)]
pub struct TimeToLive {
    /// Milliseconds until it expires; null if it does not expire.
    #[schema(required = true)]
    ttl_millis_left: Option<u64>,
}

/// Whether something was removed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Persisted {
    /// Whether the key had a time to live.
    had_ttl: bool,
}

/// Read the time that a key has left to live.
#[utoipa::path(get, path = "/namespaces/{name}/ttl", tag = "data", params(("name" = String, Path), KeyParams),
    responses((status = 200, description = "The time left.", body = TimeToLive)))]
pub async fn get(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<KeyParams>,
    _: MayRead,
) -> Result<Json<TimeToLive>, Problem> {
    let left = admin.gateway.namespace(&name).keyvalue().get_ttl(params.key).await;
    let left = left.map_err(|error| problem(&error))?;
    let ttl_millis_left = left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
    Ok(Json(TimeToLive { ttl_millis_left }))
}

/// Give a key a new time to live. Its value stays.
#[utoipa::path(put, path = "/namespaces/{name}/ttl", tag = "data", params(("name" = String, Path), ExpireParams),
    responses((status = 204, description = "It has the new time to live.")))]
pub async fn put(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<ExpireParams>,
    Extension(caller): Extension<Caller>,
) -> Result<StatusCode, Problem> {
    note(&admin, caller, format!("set the time to live of a key in {name}"), &params.key).await?;
    let found = admin.gateway.namespace(&name).keyvalue().expire(params.key, params.ttl_millis).await;
    match found.map_err(|error| problem(&error))? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::new(Kind::NotFound, "the key does not exist, or has expired")),
    }
}

/// Remove a key's time to live, so that it never expires. A missing key is not an error.
#[utoipa::path(delete, path = "/namespaces/{name}/ttl", tag = "data", params(("name" = String, Path), KeyParams),
    responses((status = 200, description = "It does not expire any more.", body = Persisted)))]
pub async fn delete(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<KeyParams>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Persisted>, Problem> {
    note(&admin, caller, format!("remove the time to live of a key in {name}"), &params.key).await?;
    let had_ttl = admin.gateway.namespace(&name).keyvalue().persist(params.key).await;
    had_ttl.map(|had_ttl| Json(Persisted { had_ttl })).map_err(|error| problem(&error))
}

/// How long a value that is stored shall live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// It never expires.
    Forever,
    /// So many milliseconds, as the backend is asked.
    Millis(i64),
    /// So long.
    Left(Duration),
}

impl Life {
    /// Asks for it.
    pub(super) fn of<M: Expiring>(self, call: Call<M>) -> Call<M> {
        match self {
            Self::Forever => call,
            Self::Millis(millis) => call.ttl_millis(millis),
            Self::Left(left) => call.ttl(left),
        }
    }
}
