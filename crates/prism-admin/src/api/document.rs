//! `/config`: the file as a whole.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use http::Request;
use http::header::{CONTENT_TYPE, HeaderName};

use super::request::{CONFIG_BYTES_MAX, Params, Terms, WriteParams, body, tag_header};
use super::write::{Answer, Decision, Order, write};
use crate::error::Problem;
use crate::file::snapshot::Snapshot;
use crate::state::Admin;

/// The content type of the file (RFC 9512), and its earlier names.
const YAML: &[&str] = &["application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"];

/// The header of a file.
pub(crate) const YAML_HEADER: (HeaderName, &str) = (CONTENT_TYPE, "application/yaml");

/// Read the configuration file, byte for byte. If there is no file: what proxies serve without one.
#[utoipa::path(get, path = "/config", tag = "config", responses(
    (status = 200, description = "The file.", body = serde_json::Value, content_type = "application/yaml",
        headers(("etag" = String, description = "ETag of the file: its SHA-256."))),
))]
pub async fn get(State(admin): State<Admin>) -> Result<impl IntoResponse, Problem> {
    let now = admin.blocking(|store| store.read()).await?;
    Ok(([YAML_HEADER], tag_header(&now.tag()), now.bytes().to_vec()))
}

/// Replace the configuration file, byte for byte.
#[utoipa::path(put, path = "/config", tag = "config", params(WriteParams,
    ("if-match" = Option<String>, Header, description = "Write only if the file has this ETag.")),
    request_body(content = serde_json::Value, content_type = "application/yaml"), responses(
    (status = 200, description = "Replaced; `applied` says whether the proxies have it. Or the result of a dry run.",
        body = Answer, headers(("etag" = String, description = "ETag of the file."))),
))]
pub async fn put(
    State(admin): State<Admin>,
    Params(params): Params<WriteParams>,
    terms: Terms,
    request: Request<Body>,
) -> Result<impl IntoResponse, Problem> {
    let bytes = body(request, YAML, CONFIG_BYTES_MAX).await?.to_vec();
    let drivers = admin.drivers.clone();
    let (new, reached) = admin
        .blocking(move |_| {
            let new = Snapshot::of(bytes).map_err(Problem::invalid)?;
            let reached = new.reached(&drivers);
            Ok((new, reached))
        })
        .await?;
    let action = "put config".to_owned();
    let order = Order { terms, dry_run: params.dry_run, action, reached, may_lose: true };
    let answer = write(&admin, order, |now, terms| {
        terms.check("the file", Some(&now.tag()))?;
        Ok(Decision { new, warnings: Vec::new() })
    })
    .await?;
    let tag = format!("\"{}\"", answer.sha256);
    Ok((tag_header(&tag), Json(answer)))
}
