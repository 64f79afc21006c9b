//! `/namespaces/{name}/lists` and `/lists/count`: which lists there are, page by page.

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::data::MayRead;
use crate::api::data::keys::{Count, CountParams, token_of};
use crate::api::request::{Param, Params, check_limit};
use crate::error::Problem;
use crate::gateway::problem;
use crate::state::Admin;

/// Lists after which a page ends even if there is no token to continue with: 4,000 names of 4 KiB are 16 MiB.
const LISTS_MAX: usize = 4000;

/// The query of a page of lists.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListsParams {
    /// Only lists with this prefix; 0 to 4,096 bytes.
    #[serde(default)]
    prefix: String,
    /// `next_cursor` of the previous page.
    #[param(min_length = 1, max_length = 10924)]
    cursor: Option<String>,
    /// Maximum number of lists to return. A page may exceed it, because it ends where the backend can continue.
    #[serde(default = "crate::api::request::limit_default")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: usize,
}

/// A list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListItem {
    /// Its name.
    key: String,
    /// The number of its values; reserved ones do not count.
    length: u64,
}

/// A page of lists.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Lists {
    /// In the order of the backend: by name if it is ordered. If it is not, a later page may repeat lists.
    lists: Vec<ListItem>,
    /// `cursor` of the next page; missing on the last page, or if there are no cursors.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// Whether there are more lists, which cannot be shown: the backend is not resumable.
    truncated: bool,
}

/// List the lists.
#[utoipa::path(get, path = "/namespaces/{name}/lists", tag = "data", params(("name" = String, Path), ListsParams),
    responses((status = 200, description = "A page of them.", body = Lists)))]
pub async fn list(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<ListsParams>,
    _: MayRead,
) -> Result<Json<Lists>, Problem> {
    check_limit(params.limit)?;
    let mut at = params.cursor.map(|cursor| token_of(&cursor)).transpose()?;
    let mut scan = admin.gateway.namespace(&name).list().lists(params.prefix);
    if let Some(token) = &at {
        scan = scan.resume(token.clone());
    }
    let mut page = Lists::default();
    while let Some(found) = scan.next().await {
        let found = found.map_err(|error| problem(&error))?;
        page.lists.push(ListItem { key: found.list_key, length: found.length });
        let is_at_token = scan.resume_token() != at.as_ref();
        at = scan.resume_token().cloned();
        if is_at_token && page.lists.len() >= params.limit {
            page.next_cursor = at.map(|token| URL_SAFE.encode(token));
            break;
        }
        if page.lists.len() >= LISTS_MAX {
            page.truncated = true;
            break;
        }
    }
    Ok(Json(page))
}

/// Count the lists.
#[utoipa::path(get, path = "/namespaces/{name}/lists/count", tag = "data", params(("name" = String, Path), CountParams),
    responses((status = 200, description = "How many there are.", body = Count)))]
pub async fn count(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<CountParams>,
    _: MayRead,
) -> Result<Json<Count>, Problem> {
    let count = admin.gateway.namespace(&name).list().count_lists(params.prefix).await;
    count.map(|count| Json(Count { count })).map_err(|error| problem(&error))
}
