//! `/namespaces/{name}/value`: one value, by its key.

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use prism_client::{Condition, ErrorKind, KeyValue};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ttl::Life;
use super::{KeyParams, MayRead, condition, note, told, value_of};
use crate::api::request::{Param, Params, Terms, tag_header};
use crate::error::{Kind, Problem};
use crate::gateway::problem;
use crate::state::Admin;

/// The query of a value that is written.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SetParams {
    /// 1 to 4,096 bytes of UTF-8.
    key: String,
    /// Time to live in seconds, up to 100 years; default: forever. Replaces the previous one.
    ttl_seconds: Option<i64>,
    /// The same in milliseconds, instead of `ttl_seconds`.
    ttl_millis: Option<i64>,
    /// Keep what the key has left to live. It is read before the value is stored: what another client gives the key in between
    /// is lost.
    #[serde(default)]
    keep_ttl: bool,
}

/// What a removal found.
#[derive(Debug, Serialize, ToSchema)]
pub struct Removed {
    /// Whether the key existed.
    found: bool,
}

/// Read a value, byte for byte.
#[utoipa::path(get, path = "/namespaces/{name}/value", tag = "data", params(("name" = String, Path), KeyParams),
    responses((status = 200, description = "The value.", body = String, content_type = "application/octet-stream",
        headers(("etag" = String, description = "The SHA-256 of the value.")))))]
pub async fn get(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<KeyParams>,
    _: MayRead,
) -> Result<Response, Problem> {
    let value = admin.gateway.namespace(&name).keyvalue().get(params.key).await;
    let value = value.map_err(|error| problem(&error))?;
    Ok((tag_header(&condition::tag(&value)), told(value)).into_response())
}

/// Store a value, replacing the key's value and time to live.
#[utoipa::path(put, path = "/namespaces/{name}/value", tag = "data", params(("name" = String, Path), SetParams,
    ("if-match" = Option<String>, Header, description = "Write only if the value has this ETag; `*`: only if the key exists. \
        Compared by the backend, in the step that writes."),
    ("if-none-match" = Option<String>, Header, description = "`*`: write only if the key does not exist.")),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 204, description = "Stored.",
        headers(("etag" = String, description = "The SHA-256 of the value.")))))]
pub async fn put(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<SetParams>,
    terms: Terms,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let condition = condition::of(&terms)?;
    let value = value_of(request).await?;
    params.check_life()?;
    note(&admin, terms.caller, format!("set a key in {name}"), &params.key).await?;
    let keyvalue = admin.gateway.namespace(&name).keyvalue();
    let expects_key = condition.as_ref().is_some_and(|condition| *condition != Condition::Absent);
    let life = params.life(&keyvalue, expects_key).await?;
    let tag = condition::tag(&value);
    let refused = |error| problem(&error);
    match condition {
        None => life.of(keyvalue.set(params.key, value)).await.map_err(refused)?,
        Some(condition) => {
            let stored = life.of(keyvalue.set_if(params.key, value, condition)).await.map_err(refused)?;
            if !stored.applied {
                return Err(condition::failed());
            }
        }
    }
    Ok((StatusCode::NO_CONTENT, tag_header(&tag)).into_response())
}

impl SetParams {
    /// Whether at most one time to live is given.
    fn check_life(&self) -> Result<(), Problem> {
        let given = [self.ttl_seconds.is_some(), self.ttl_millis.is_some(), self.keep_ttl];
        if given.into_iter().filter(|given| *given).count() <= 1 {
            return Ok(());
        }
        let detail = "ttl_seconds, ttl_millis, keep_ttl: expected at most one of them; nothing was changed";
        Err(Problem::new(Kind::Malformed, detail))
    }

    /// What is kept of a key that is not there is refused, as the condition that it is there would be.
    async fn life(&self, keyvalue: &KeyValue, expects_key: bool) -> Result<Life, Problem> {
        match (self.ttl_seconds, self.ttl_millis) {
            (Some(seconds), _) => Ok(Life::Millis(seconds.saturating_mul(1000))),
            (None, Some(millis)) => Ok(Life::Millis(millis)),
            (None, None) if self.keep_ttl => match keyvalue.get_ttl(self.key.clone()).await {
                Ok(left) => Ok(left.map_or(Life::Forever, Life::Left)),
                Err(error) if error.kind() == ErrorKind::NotFound && expects_key => Err(condition::failed()),
                Err(error) => Err(problem(&error)),
            },
            (None, None) => Ok(Life::Forever),
        }
    }
}

/// Remove a key. A missing key is not an error, unless `If-Match` is given.
#[utoipa::path(delete, path = "/namespaces/{name}/value", tag = "data", params(("name" = String, Path), KeyParams,
    ("if-match" = Option<String>, Header, description = "Remove only a value with this ETag. Compared by the backend, in the \
        step that removes.")),
    responses((status = 200, description = "The key no longer exists.", body = Removed)))]
pub async fn delete(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<KeyParams>,
    terms: Terms,
) -> Result<Json<Removed>, Problem> {
    let condition = condition::of(&terms)?;
    note(&admin, terms.caller, format!("delete a key in {name}"), &params.key).await?;
    let keyvalue = admin.gateway.namespace(&name).keyvalue();
    let refused = |error| problem(&error);
    let found = match condition {
        None => keyvalue.delete(params.key).await.map_err(refused)?,
        Some(Condition::Absent) => {
            let detail = "If-None-Match: a key that does not exist cannot be removed; use If-Match";
            return Err(Problem::new(Kind::Malformed, detail));
        }
        Some(condition) => {
            if !keyvalue.delete_if(params.key, condition).await.map_err(refused)?.applied {
                return Err(condition::failed());
            }
            true
        }
    };
    Ok(Json(Removed { found }))
}
