//! `/session`: logging in and out, and identifying oneself.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Request, StatusCode};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::request::{NoParams, Params, body};
use crate::auth::{Role, TokenHash};
use crate::error::{Kind, Problem};
use crate::file::store::Caller;
use crate::sessions::AGE_MAX;
use crate::state::Admin;

/// A token is some 50 bytes.
const LOGIN_BYTES_MAX: usize = 4 << 10;

/// A token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The token that `prism-admin token` printed.
    token: String,
}

/// Who the requests of a browser come from.
#[derive(Debug, Serialize, ToSchema)]
pub struct Whoami {
    /// The name of the token; `local` without tokens.
    who: String,
    /// Their role.
    role: Role,
    /// Whether the admin uses tokens, so that there is something to log out of.
    login: bool,
}

/// Show who sends the request.
#[utoipa::path(get, path = "/session", tag = "session", responses((status = 200, description = "The sender.", body = Whoami)))]
pub async fn get(
    State(admin): State<Admin>,
    Extension(caller): Extension<Caller>,
    Extension(role): Extension<Role>,
) -> Json<Whoami> {
    Json(Whoami { who: caller.who, role, login: admin.tokens.is_some() })
}

/// Log in: exchange a token for a cookie.
#[utoipa::path(post, path = "/session", tag = "session", request_body(content = Login), responses(
    (status = 200, description = "Logged in; the cookie represents the token.", body = Whoami,
        headers(("set-cookie" = Option<String>, description = "The session; missing without tokens."))),
))]
pub async fn post(
    State(admin): State<Admin>,
    _: Params<NoParams>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let bytes = body(request, &["application/json"], LOGIN_BYTES_MAX).await?;
    let login: Login = serde_json::from_slice(&bytes)
        .map_err(|error| Problem::new(Kind::Malformed, format!("expected {{\"token\": …}}: {error}")))?;
    let Some(tokens) = &admin.tokens else {
        let local = Whoami { who: "local".to_owned(), role: Role::Write, login: false };
        return Ok(Json(local).into_response());
    };
    let hash = TokenHash::from(Sha256::digest(login.token.trim().as_bytes()));
    let identity = tokens.identify_hash(&hash)?;
    let id = admin.sessions.begin(hash)?;
    Ok((
        admin.sessions.cookie(&id, AGE_MAX, &headers),
        Json(Whoami { who: identity.name, role: identity.role, login: true }),
    )
        .into_response())
}

/// Log out.
#[utoipa::path(delete, path = "/session", tag = "session", responses(
    (status = 204, description = "The session has ended.",
        headers(("set-cookie" = String, description = "Deletes the cookie."))),
))]
pub async fn delete(
    State(admin): State<Admin>,
    _: Params<NoParams>,
    headers: HeaderMap,
) -> impl IntoResponse {
    admin.sessions.end(&headers);
    (StatusCode::NO_CONTENT, admin.sessions.cookie("", Duration::ZERO, &headers))
}
