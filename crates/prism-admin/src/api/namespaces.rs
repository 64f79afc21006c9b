//! `/namespaces`: listing, reading, creating, replacing, changing and removing them.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use http::Request;
use http::header::LOCATION;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::item::{Write, Written, find};
use super::namespace::Namespace;
use super::request::{Param, Params, Terms, WriteParams, check_limit, tag_header};
use super::settings::{MERGE_PATCH, json, read, read_whole, tag};
use super::write::Answer;
use crate::error::Problem;
use crate::file::entry::Entry;
use crate::file::yaml::List;
use crate::state::Admin;

const LIST: List = List::Namespaces;

/// The query of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// Maximum number of namespaces to return.
    #[serde(default = "crate::api::request::limit_default")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: usize,
    /// `next_cursor` of the previous page.
    cursor: Option<String>,
    /// Only namespaces whose name, or the endpoint or name of whose backend, contains this.
    q: Option<String>,
}

/// A page of namespaces, in the order of their names.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page {
    /// The namespaces.
    #[schema(value_type = Vec<Namespace>)]
    namespaces: Vec<serde_json::Value>,
    /// `cursor` of the next page; missing on the last page.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// Number of namespaces on all pages.
    total: usize,
    /// SHA-256 of the file, in hex.
    sha256: String,
    /// True if there is no file yet, and this is what proxies serve without one.
    built_in: bool,
}

/// List the namespaces.
#[utoipa::path(get, path = "/namespaces", tag = "namespaces", params(ListParams), responses(
    (status = 200, description = "A page of namespaces.", body = Page, headers(("etag" = String, description = "ETag of the file."))),
))]
pub async fn list(
    State(admin): State<Admin>,
    Params(params): Params<ListParams>,
) -> Result<impl IntoResponse, Problem> {
    check_limit(params.limit)?;
    let now = admin.blocking(|store| store.read()).await?;
    let matching = |entry: &&Arc<Entry>| {
        let on = entry.plugin.as_ref().map(ToString::to_string).unwrap_or_default();
        params.q.as_deref().is_none_or(|q| entry.name.contains(q) || on.contains(q))
    };
    let mut found: Vec<_> = now.entries()?.iter().filter(matching).collect();
    found.sort_unstable_by_key(|entry| &entry.name);
    let total = found.len();
    let behind = params.cursor.as_deref().unwrap_or_default();
    let mut page: Vec<_> = found.into_iter().filter(|entry| entry.name.as_str() > behind).collect();
    let more = page.len() > params.limit;
    page.truncate(params.limit);
    let next_cursor = page.last().filter(|_| more).map(|last| last.name.clone());
    let page = Page {
        namespaces: page.into_iter().map(|entry| json(&entry.value)).collect::<Result<_, _>>()?,
        next_cursor,
        total,
        sha256: now.sha256().to_owned(),
        built_in: now.bytes_in_file().is_none(),
    };
    Ok((tag_header(&now.tag()), Json(page)))
}

/// Create a namespace.
#[utoipa::path(post, path = "/namespaces", tag = "namespaces", params(WriteParams),
    request_body(content = Namespace), responses(
    (status = 200, description = "The result of a dry run: it could be created.", body = Answer),
    (status = 201, description = "Created; `applied` says whether the proxies have it.", body = Answer,
        headers(("location" = String, description = "Path of the namespace."), ("etag" = String, description = "ETag of the namespace."))),
    (status = 409, description = "A namespace of that name exists, the file cannot be used, or somebody else changed \
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
    Ok((status, [(LOCATION, format!("/namespaces/{name}"))], tag_header(&tag), Json(answer)))
}

/// Read a namespace.
#[utoipa::path(get, path = "/namespaces/{name}", tag = "namespaces", params(("name" = String, Path)), responses(
    (status = 200, description = "The namespace as the file has it.", body = Namespace,
        headers(("etag" = String, description = "ETag of the namespace."))),
))]
pub async fn get(
    State(admin): State<Admin>,
    Param(name): Param<String>,
) -> Result<impl IntoResponse, Problem> {
    let now = admin.blocking(|store| store.read()).await?;
    let namespace = find(&now, LIST, &name)?;
    Ok((tag_header(&tag(&namespace)), Json(json(&namespace)?)))
}

/// Replace or create a namespace.
#[utoipa::path(put, path = "/namespaces/{name}", tag = "namespaces", params(("name" = String, Path), WriteParams,
    ("if-match" = Option<String>, Header, description = "Write only if the namespace has this ETag."),
    ("if-none-match" = Option<String>, Header, description = "`*`: write only if it does not exist.")),
    request_body(content = Namespace, description = "`name` may be omitted; a name that differs from the path is refused."),
    responses(
    (status = 200, description = "Replaced, or the result of a dry run.", body = Answer,
        headers(("etag" = String, description = "ETag of the namespace."))),
    (status = 201, description = "Created.", body = Answer, headers(("etag" = String, description = "ETag of the namespace."))),
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

/// Change some settings of a namespace, as a JSON merge patch (RFC 7396): `null` resets a setting to its default.
#[utoipa::path(patch, path = "/namespaces/{name}", tag = "namespaces", params(("name" = String, Path), WriteParams,
    ("if-match" = Option<String>, Header, description = "Write only if the namespace has this ETag.")),
    request_body(content = serde_json::Value, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed, or the result of a dry run.", body = Answer,
        headers(("etag" = String, description = "ETag of the namespace."))),
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

/// Remove a namespace. New calls fail with FAILED_PRECONDITION, calls in flight finish; its data stays in the backend.
#[utoipa::path(delete, path = "/namespaces/{name}", tag = "namespaces", params(("name" = String, Path), WriteParams,
    ("if-match" = Option<String>, Header, description = "Write only if the namespace has this ETag.")), responses(
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
