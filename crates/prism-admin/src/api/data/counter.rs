//! `/namespaces/{name}/increment`: a counter, changed without being read first.

use axum::Json;
use axum::extract::{Extension, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::note;
use crate::api::request::{Param, Params};
use crate::error::Problem;
use crate::file::store::Caller;
use crate::gateway::problem;
use crate::state::Admin;

/// The query of an increment.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct IncrementParams {
    /// 1 to 4,096 bytes of UTF-8.
    key: String,
    /// What is added; it may be negative.
    delta: i64,
}

/// A counter.
#[derive(Debug, Serialize, ToSchema)]
pub struct Counter {
    /// Its value: 64 bits, as decimal text, because a number in JSON may lose digits.
    #[schema(example = "9007199254740993")]
    value: String,
}

/// Add to a counter, and create it if it does not exist. It keeps its time to live.
#[utoipa::path(post, path = "/namespaces/{name}/increment", tag = "data", params(("name" = String, Path), IncrementParams),
    responses((status = 200, description = "The sum.", body = Counter)))]
pub async fn increment(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<IncrementParams>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Counter>, Problem> {
    note(&admin, caller, format!("increment by {} in {name}", params.delta), &params.key).await?;
    let value = admin.gateway.namespace(&name).keyvalue().increment(params.key, params.delta).await;
    value.map(|value| Json(Counter { value: value.to_string() })).map_err(|error| problem(&error))
}
