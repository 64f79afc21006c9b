//! `/audit`: who changed what, newest first.

use axum::Json;
use axum::extract::{Extension, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::request::{Params, check_limit};
use crate::auth::Role;
use crate::error::{Kind, Problem};
use crate::file::store::AuditEntry;
use crate::state::Admin;

/// The query of the audit log.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditParams {
    /// Maximum number of entries to return.
    #[serde(default = "crate::api::request::limit_default")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: usize,
    /// `next_cursor` of the previous page: returns older entries.
    #[param(minimum = 0, maximum = 9223372036854775807i64)]
    cursor: Option<u64>,
}

/// A page of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub struct Audit {
    /// Newest first.
    entries: Vec<AuditEntry>,
    /// `cursor` of the next page; missing on the last page.
    #[schema(required = true)]
    next_cursor: Option<u64>,
    /// Lines of this page that cannot be read as entries.
    unreadable: usize,
}

/// Read the audit log. Keys are shown only to roles that may see them.
#[utoipa::path(get, path = "/audit", tag = "revisions", params(AuditParams), responses(
    (status = 200, description = "A page of the log.", body = Audit),
))]
pub async fn list(
    State(admin): State<Admin>,
    Params(params): Params<AuditParams>,
    Extension(role): Extension<Role>,
) -> Result<Json<Audit>, Problem> {
    check_limit(params.limit)?;
    if params.cursor.is_some_and(|cursor| i64::try_from(cursor).is_err()) {
        let detail = format!("cursor: expected the next_cursor of a page, 0 to {}", i64::MAX);
        return Err(Problem::new(Kind::Malformed, detail));
    }
    let page = admin.blocking(move |store| store.audit(params.cursor, params.limit)).await?;
    let mut entries = page.entries;
    if role < Role::Data {
        entries.iter_mut().for_each(|entry| entry.key = None);
    }
    Ok(Json(Audit { entries, next_cursor: page.next_cursor, unreadable: page.unreadable }))
}
