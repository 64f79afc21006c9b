//! `/config/revisions` and `/config/rollback`: earlier versions of the file, and going back to them.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::document::YAML_HEADER;
use super::request::{Param, Params, Terms, WriteParams, tag_header};
use super::write::{Answer, Decision, Order, write};
use crate::error::{Kind, Problem};
use crate::file::diff;
use crate::file::snapshot::{Snapshot, sha256};
use crate::file::store::{Revision, Store};
use crate::state::Admin;

/// The revisions that are kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct Revisions {
    /// Newest first; at most 100.
    revisions: Vec<Revision>,
}

/// The query of a difference.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DiffParams {
    /// Revision to compare with; default: the previous one.
    #[param(minimum = 1)]
    from: Option<u64>,
}

/// List the revisions.
#[utoipa::path(get, path = "/config/revisions", tag = "revisions", responses(
    (status = 200, description = "Newest first.", body = Revisions),
))]
pub async fn list(State(admin): State<Admin>) -> Result<Json<Revisions>, Problem> {
    let mut revisions = admin.blocking(Store::revisions).await?;
    revisions.reverse();
    Ok(Json(Revisions { revisions }))
}

/// Read a revision of the file, byte for byte.
#[utoipa::path(get, path = "/config/revisions/{number}", tag = "revisions",
    params(("number" = u64, Path, minimum = 1)), responses(
    (status = 200, description = "The file as it was.", body = serde_json::Value, content_type = "application/yaml",
        headers(("etag" = String, description = "Its SHA-256."))),
))]
pub async fn get(
    State(admin): State<Admin>,
    Param(number): Param<u64>,
) -> Result<impl IntoResponse, Problem> {
    let bytes = admin.blocking(move |store| bytes_of(store, number)).await?;
    Ok(([YAML_HEADER], tag_header(&format!("\"{}\"", sha256(&bytes))), bytes))
}

/// Show what a revision changed.
#[utoipa::path(get, path = "/config/revisions/{number}/diff", tag = "revisions",
    params(("number" = u64, Path, minimum = 1), DiffParams), responses(
    (status = 200, description = "A unified diff; the oldest revision kept is compared with an empty file.",
        body = String, content_type = "text/x-diff"),
))]
pub async fn diff(
    State(admin): State<Admin>,
    Param(number): Param<u64>,
    Params(params): Params<DiffParams>,
) -> Result<impl IntoResponse, Problem> {
    let difference = admin.blocking(move |store| {
        let to = bytes_of(store, number)?;
        let from = match params.from {
            Some(from) => bytes_of(store, from)?,
            None => store.revision_bytes(number.saturating_sub(1))?.unwrap_or_default(),
        };
        Ok(diff::unified(&String::from_utf8_lossy(&from), &String::from_utf8_lossy(&to)))
    });
    Ok(([(CONTENT_TYPE, "text/x-diff; charset=utf-8")], difference.await?))
}

/// Put a revision in force again, as a new revision.
#[utoipa::path(post, path = "/config/rollback/{number}", tag = "revisions",
    params(("number" = u64, Path, minimum = 1), WriteParams,
    ("if-match" = Option<String>, Header, description = "Write only if the file has this ETag.")), responses(
    (status = 200, description = "Done; `applied` says whether the proxies have it. Or the result of a dry run.",
        body = Answer, headers(("etag" = String, description = "ETag of the file."))),
))]
pub async fn rollback(
    State(admin): State<Admin>,
    Param(number): Param<u64>,
    Params(params): Params<WriteParams>,
    terms: Terms,
) -> Result<impl IntoResponse, Problem> {
    let drivers = admin.drivers.clone();
    let (new, reached) = admin
        .blocking(move |store| {
            let new = Snapshot::of(bytes_of(store, number)?).map_err(Problem::invalid)?;
            let reached = new.reached(&drivers);
            Ok((new, reached))
        })
        .await?;
    let order = Order {
        terms,
        dry_run: params.dry_run,
        action: format!("roll back to revision {number}"),
        reached,
        may_lose: true,
    };
    let answer = write(&admin, order, |now, terms| {
        terms.check("the file", Some(&now.tag()))?;
        Ok(Decision { new, warnings: Vec::new() })
    })
    .await?;
    let tag = format!("\"{}\"", answer.sha256);
    Ok((tag_header(&tag), Json(answer)))
}

fn bytes_of(store: &Store, number: u64) -> Result<Vec<u8>, Problem> {
    store.revision_bytes(number)?.ok_or_else(|| {
        let detail = format!("revision {number} is not kept; GET /config/revisions lists those that are");
        Problem::new(Kind::NotFound, detail)
    })
}
