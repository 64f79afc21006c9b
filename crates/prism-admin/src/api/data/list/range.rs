//! `/namespaces/{name}/list/range`, `/list/trim` and `/list/clear`: the values of a list between its ends.
//!
//! A value may have 4 MiB and a range any number of values, so a range is read in small steps and answered with the beginning of each
//! value.

use axum::Json;
use axum::extract::{Extension, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Length;
use crate::api::data::{KeyParams, MayRead, note};
use crate::api::request::{Param, Params, check_limit};
use crate::error::Problem;
use crate::file::store::Caller;
use crate::gateway::problem;
use crate::state::Admin;

/// Values per step, 64 MiB at most: a page of small ones takes few steps.
const STEP: usize = 16;

/// A page ends after the step in which so many bytes have been read for it.
const PAGE_BYTES: usize = 8 << 20;

/// How much of a value is shown in a page.
const SHOWN_BYTES: usize = 1024;

/// The query of a range.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RangeParams {
    /// Name of the list, 1 to 4,096 bytes of UTF-8.
    key: String,
    /// Index of the first value: from 0 at the left end, or from -1 at the right end.
    #[serde(default)]
    #[param(default = 0)]
    start: i64,
    /// Maximum number of values to return. A page of large values ends earlier.
    #[serde(default = "crate::api::request::limit_default")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: usize,
}

/// The beginning of a value.
#[derive(Debug, Serialize, ToSchema)]
pub struct Shown {
    /// Its size in bytes.
    bytes: usize,
    /// Its first 1,024 bytes, in base64.
    beginning_base64: String,
}

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Part {
    /// The number of values in the list; reserved ones do not count.
    length: u64,
    /// Index of the first value of the part, from 0 at the left end.
    start: u64,
    /// From left to right.
    values: Vec<Shown>,
    /// Index of the value behind the part; missing at the end of the list.
    #[schema(required = true)]
    next_start: Option<u64>,
}

/// Read a range of a list. Its values are read in steps: if the list changes meanwhile, some may be missed or repeated.
#[utoipa::path(get, path = "/namespaces/{name}/list/range", tag = "data", params(("name" = String, Path), RangeParams),
    responses((status = 200, description = "The part of the list that exists, possibly nothing.", body = Part)))]
pub async fn get(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<RangeParams>,
    _: MayRead,
) -> Result<Json<Part>, Problem> {
    check_limit(params.limit)?;
    let list = admin.gateway.namespace(&name).list();
    let length = list.length(params.key.clone()).await.map_err(|error| problem(&error))?;
    let start = first(params.start, length);
    let (mut at, mut values, mut read) = (start, Vec::new(), 0);
    // A list that grows is read up to where it ended.
    while at < length && values.len() < params.limit && read < PAGE_BYTES {
        let step = STEP.min(params.limit - values.len()) as u64;
        let stop = at.saturating_add(step).min(length) - 1;
        let found = list.range(params.key.clone(), index(at), index(stop)).await;
        let found = found.map_err(|error| problem(&error))?;
        if found.is_empty() {
            break;
        }
        at += found.len() as u64;
        read += found.iter().map(Bytes::len).sum::<usize>();
        values.extend(found.iter().map(Shown::of));
    }
    Ok(Json(Part { length, start, next_start: (at < length && !values.is_empty()).then_some(at), values }))
}

impl Shown {
    fn of(value: &Bytes) -> Self {
        let beginning = value.get(..SHOWN_BYTES).unwrap_or(value);
        Self { bytes: value.len(), beginning_base64: STANDARD.encode(beginning) }
    }
}

/// The first index of a range, counted from the left end.
fn first(start: i64, length: u64) -> u64 {
    if start < 0 { length.saturating_sub(start.unsigned_abs()) } else { start.unsigned_abs() }
}

fn index(at: u64) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

/// The query of a trim.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TrimParams {
    /// Name of the list, 1 to 4,096 bytes of UTF-8.
    key: String,
    /// Index of the first value that stays: from 0 at the left end, or from -1 at the right end.
    start: i64,
    /// Index of the last value that stays.
    stop: i64,
}

/// How many values a removal found.
#[derive(Debug, Serialize, ToSchema)]
pub struct RemovedValues {
    /// The number of values removed; reserved ones do not count.
    pub(super) removed: u64,
}

/// Remove all values outside of a range, atomically.
#[utoipa::path(post, path = "/namespaces/{name}/list/trim", tag = "data", params(("name" = String, Path), TrimParams),
    responses((status = 200, description = "The length afterwards.", body = Length)))]
pub async fn trim(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(TrimParams { key, start, stop }): Params<TrimParams>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Length>, Problem> {
    note(&admin, caller, format!("trim a list to {start} to {stop} in {name}"), &key).await?;
    let length = admin.gateway.namespace(&name).list().trim(key, start, stop).await;
    length.map(|length| Json(Length { length })).map_err(|error| problem(&error))
}

/// Remove a list, atomically, and end the leases of its reserved values. A missing list is not an error.
#[utoipa::path(post, path = "/namespaces/{name}/list/clear", tag = "data", params(("name" = String, Path), KeyParams),
    responses((status = 200, description = "The list no longer exists.", body = RemovedValues)))]
pub async fn clear(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<KeyParams>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<RemovedValues>, Problem> {
    note(&admin, caller, format!("clear a list in {name}"), &params.key).await?;
    let removed = admin.gateway.namespace(&name).list().clear(params.key).await;
    removed.map(|removed| Json(RemovedValues { removed })).map_err(|error| problem(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_begins_within_the_list_or_behind_it() {
        for (start, expected) in [(0, 0), (3, 3), (10, 10), (-1, 9), (-10, 0), (-11, 0), (i64::MIN, 0)] {
            assert_eq!(first(start, 10), expected, "{start}");
        }
        assert_eq!((first(-1, 0), index(u64::MAX)), (0, i64::MAX));
    }
}
