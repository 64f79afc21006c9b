//! `/backends` and `/backends/{name}`: reading, creating, replacing, changing and removing backends with a name.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};
use http::Request;
use http::header::LOCATION;

use crate::api::backend::BackendSettings;
use crate::api::item::{Write, Written, find};
use crate::api::request::{Param, Params, Terms, WriteParams, tag_header};
use crate::api::settings::{MERGE_PATCH, json, read, read_whole, tag};
use crate::api::write::Answer;
use crate::error::Problem;
use crate::file::yaml::List;
use crate::state::Admin;

const LIST: List = List::Backends;

/// Create a backend. It serves once a namespace names it.
#[utoipa::path(post, path = "/backends", tag = "backends", params(WriteParams),
    request_body(content = BackendSettings), responses(
    (status = 200, description = "The result of a dry run: it could be created.", body = Answer),
    (status = 201, description = "Created; `applied` says whether the proxies have it.", body = Answer,
        headers(("location" = String, description = "Path of the backend."), ("etag" = String, description = "ETag of the backend."))),
    (status = 409, description = "A backend of that name exists, the file cannot be used, or somebody else changed \
        it at the same moment.", body = Problem, content_type = "application/problem+json"),
))]
pub async fn create(
    State(admin): State<Admin>,
    Params(params): Params<WriteParams>,
    terms: Terms,
    request: Request<Body>,
) -> Result<impl IntoResponse, Problem> {
    let new = read_whole(request, LIST).await?;
    let Written { answer, status, name, tag } =
        Write { list: LIST, terms, params }.create(&admin, new).await?;
    Ok((status, [(LOCATION, format!("/backends/{name}"))], tag_header(&tag), Json(answer)))
}

/// Read a backend.
#[utoipa::path(get, path = "/backends/{name}", tag = "backends", params(("name" = String, Path)), responses(
    (status = 200, description = "The backend as the file has it.", body = BackendSettings,
        headers(("etag" = String, description = "ETag of the backend."))),
))]
pub async fn read_one(
    State(admin): State<Admin>,
    Param(name): Param<String>,
) -> Result<impl IntoResponse, Problem> {
    let now = admin.blocking(|store| store.read()).await?;
    let backend = find(&now, LIST, &name)?;
    Ok((tag_header(&tag(&backend)), Json(json(&backend)?)))
}

/// Replace or create a backend. Another driver opens it anew: what it held in memory is lost, and `warnings` say so.
#[utoipa::path(put, path = "/backends/{name}", tag = "backends", params(("name" = String, Path), WriteParams,
    ("if-match" = Option<String>, Header, description = "Write only if the backend has this ETag."),
    ("if-none-match" = Option<String>, Header, description = "`*`: write only if it does not exist.")),
    request_body(content = BackendSettings, description = "`name` may be omitted; a name that differs from the path is refused."),
    responses(
    (status = 200, description = "Replaced, or the result of a dry run.", body = Answer,
        headers(("etag" = String, description = "ETag of the backend."))),
    (status = 201, description = "Created.", body = Answer, headers(("etag" = String, description = "ETag of the backend."))),
))]
pub async fn put(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<WriteParams>,
    terms: Terms,
    request: Request<Body>,
) -> Result<impl IntoResponse, Problem> {
    let new = read_whole(request, LIST).await?;
    let Written { answer, status, tag, .. } =
        Write { list: LIST, terms, params }.put(&admin, name, new).await?;
    Ok((status, tag_header(&tag), Json(answer)))
}

/// Change some settings of a backend, as a JSON merge patch (RFC 7396): `null` resets an option to its default.
#[utoipa::path(patch, path = "/backends/{name}", tag = "backends", params(("name" = String, Path), WriteParams,
    ("if-match" = Option<String>, Header, description = "Write only if the backend has this ETag.")),
    request_body(content = serde_json::Value, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed, or the result of a dry run.", body = Answer,
        headers(("etag" = String, description = "ETag of the backend."))),
))]
pub async fn patch(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<WriteParams>,
    terms: Terms,
    request: Request<Body>,
) -> Result<impl IntoResponse, Problem> {
    let change = read(request, LIST, MERGE_PATCH).await?;
    let Written { answer, tag, .. } = Write { list: LIST, terms, params }.patch(&admin, name, change).await?;
    Ok((tag_header(&tag), Json(answer)))
}

/// Remove a backend that no namespace uses. What it holds in memory is lost: `warnings` say how much, by proxy.
#[utoipa::path(delete, path = "/backends/{name}", tag = "backends", params(("name" = String, Path), WriteParams,
    ("if-match" = Option<String>, Header, description = "Write only if the backend has this ETag.")), responses(
    (status = 200, description = "Removed, or the result of a dry run.", body = Answer),
))]
pub async fn delete(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<WriteParams>,
    terms: Terms,
) -> Result<Json<Answer>, Problem> {
    Write { list: LIST, terms, params }.delete(&admin, name).await.map(Json)
}

/// The routes of a backend whose name is the last word of another path.
pub(in crate::api) fn called(name: &'static str) -> MethodRouter<Admin> {
    let name = move || Param(name.to_owned());
    get(move |admin: State<Admin>| read_one(admin, name()))
        .put(move |admin: State<Admin>, params: Params<WriteParams>, terms: Terms, request: Request<Body>| {
            put(admin, name(), params, terms, request)
        })
        .patch(
            move |admin: State<Admin>, params: Params<WriteParams>, terms: Terms, request: Request<Body>| {
                patch(admin, name(), params, terms, request)
            },
        )
        .delete(move |admin: State<Admin>, params: Params<WriteParams>, terms: Terms| {
            delete(admin, name(), params, terms)
        })
}
