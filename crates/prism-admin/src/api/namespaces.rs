//! `/namespaces`: listing, reading, creating, replacing, changing and removing them.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header::LOCATION;
use http::{Request, StatusCode};
use serde::{Deserialize, Serialize};
use serde_yaml::Value;
use utoipa::{IntoParams, ToSchema};

use super::namespace::{Namespace, json, merged, named, read, read_whole, tag};
use super::request::{Param, Params, Terms, WriteParams, check_limit, tag_header};
use super::write::{Answer, Decision, Order, write};
use crate::error::{Kind, Problem};
use crate::file::check;
use crate::file::edit::Change;
use crate::file::entry::{Entry, endpoint_of};
use crate::file::snapshot::Snapshot;
use crate::state::Admin;

const JSON: &[&str] = &["application/json"];
const MERGE_PATCH: &[&str] = &["application/merge-patch+json", "application/json"];

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
    /// Only namespaces whose name or endpoint contains this.
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
        let endpoint =
            entry.value.get("plugin").and_then(|plugin| plugin.get("endpoint")).and_then(Value::as_str);
        params.q.as_deref().is_none_or(|q| entry.name.contains(q) || endpoint.is_some_and(|e| e.contains(q)))
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
    let new = read_whole(request, JSON).await?;
    check::namespace(&new).map_err(Problem::invalid)?;
    let name = new.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let order = order(terms, params, format!("create namespace {name}"), &new);
    let adding = (name.clone(), new.clone());
    let answer = write(&admin, order, move |now, terms| {
        let (name, new) = adding;
        terms.check(&name, find(now, &name)?.map(|(_, old)| tag(old)).as_deref())?;
        if find(now, &name)?.is_some() {
            let detail = format!("namespace {name} already exists; PUT replaces it, PATCH changes it");
            return Err(Problem::new(Kind::Exists, detail));
        }
        edited(now, Change::Append(new))
    })
    .await?;
    let status = if params.dry_run { StatusCode::OK } else { StatusCode::CREATED };
    Ok((
        status,
        [(LOCATION, format!("/namespaces/{name}"))],
        tag_header(&tag(&new)),
        Json(told(answer, &new)?),
    ))
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
    let (_, namespace) = find(&now, &name)?.ok_or_else(|| missing(&name))?;
    Ok((tag_header(&tag(namespace)), Json(json(namespace)?)))
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
    let new = named(read_whole(request, JSON).await?, &name)?;
    check::namespace(&new).map_err(Problem::invalid)?;
    let order = order(terms, params, format!("put namespace {name}"), &new);
    let (wanted, created) = (new.clone(), Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let creates = Arc::clone(&created);
    let answer = write(&admin, order, move |now, terms| {
        let old = find(now, &name)?;
        terms.check(&name, old.map(|(_, old)| tag(old)).as_deref())?;
        creates.store(old.is_none(), std::sync::atomic::Ordering::Relaxed);
        edited(now, old.map_or(Change::Append(wanted.clone()), |(index, _)| Change::Replace(index, wanted)))
    })
    .await?;
    let created = created.load(std::sync::atomic::Ordering::Relaxed) && !params.dry_run;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, tag_header(&tag(&new)), Json(told(answer, &new)?)))
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
    let change = read(request, MERGE_PATCH).await?;
    let order = order(terms, params, format!("patch namespace {name}"), &change);
    let result = Arc::new(std::sync::Mutex::new(Value::Null));
    let note = Arc::clone(&result);
    let answer = write(&admin, order, move |now, terms| {
        let old = find(now, &name)?;
        terms.check(&name, old.map(|(_, old)| tag(old)).as_deref())?;
        let (index, old) = old.ok_or_else(|| missing(&name))?;
        let new = named(merged(old.clone(), &change), &name)?;
        check::namespace(&new).map_err(Problem::invalid)?;
        new.clone_into(&mut note.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        edited(now, Change::Replace(index, new))
    })
    .await?;
    let new = result.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    Ok((tag_header(&tag(&new)), Json(told(answer, &new)?)))
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
    let order = order(terms, params, format!("delete namespace {name}"), &Value::Null);
    let answer = write(&admin, order, move |now, terms| {
        let old = find(now, &name)?;
        terms.check(&name, old.map(|(_, old)| tag(old)).as_deref())?;
        let (index, _) = old.ok_or_else(|| missing(&name))?;
        let mut decision = edited(now, Change::Remove(index))?;
        let kept =
            format!("the data of {name} stays in its backend; a namespace of that name shows it again");
        decision.warnings.push(kept);
        Ok(decision)
    });
    answer.await.map(Json)
}

fn order(terms: Terms, params: WriteParams, action: String, named: &Value) -> Order {
    Order {
        terms,
        dry_run: params.dry_run,
        action,
        endpoints: endpoint_of(named)
            .map(|endpoint| ("/plugin/endpoint".to_owned(), endpoint))
            .into_iter()
            .collect(),
    }
}

fn told(answer: Answer, namespace: &Value) -> Result<Answer, Problem> {
    Ok(Answer { namespace: Some(json(namespace)?), ..answer })
}

fn find<'a>(now: &'a Snapshot, name: &str) -> Result<Option<(usize, &'a Value)>, Problem> {
    let mut entries = now.entries()?.iter().enumerate();
    Ok(entries.find(|(_, entry)| entry.name == name).map(|(index, entry)| (index, &entry.value)))
}

fn missing(name: &str) -> Problem {
    let shown: String = name.chars().take(64).collect();
    Problem::new(Kind::NotFound, format!("namespace {shown} does not exist; POST /namespaces creates one"))
}

fn edited(now: &Snapshot, change: Change) -> Result<Decision, Problem> {
    let (new, warnings) = now.edited(change)?;
    Ok(Decision { new, warnings })
}
