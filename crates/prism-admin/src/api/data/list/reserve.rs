//! `/namespaces/{name}/list/reserve`, `/list/ack`, `/list/extend` and `/list/release`: values under a lease.

use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, State};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use http::StatusCode;
use prism_client::Lease;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::End;
use super::range::RemovedValues;
use crate::api::data::note;
use crate::api::request::{Param, Params};
use crate::error::{Kind, Problem};
use crate::file::store::Caller;
use crate::gateway::problem;
use crate::state::Admin;

/// The query of a reservation.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReserveParams {
    /// Name of the list, 1 to 4,096 bytes of UTF-8.
    key: String,
    /// The end to take the values from.
    #[param(inline)]
    end: End,
    /// Maximum number of values, 1 to 1,000.
    #[param(minimum = 1, maximum = 1000)]
    count: usize,
    /// How long they stay reserved: 1 to 43,200,000 (12 hours).
    #[param(minimum = 1, maximum = 43200000)]
    lease_millis: u64,
}

/// The query of a call on a lease.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LeaseParams {
    /// Name of the list, 1 to 4,096 bytes of UTF-8.
    key: String,
    /// `lease` of the reservation.
    #[param(min_length = 1, max_length = 128)]
    lease: String,
}

/// The query of an extension.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExtendParams {
    /// Name of the list, 1 to 4,096 bytes of UTF-8.
    key: String,
    /// `lease` of the reservation.
    #[param(min_length = 1, max_length = 128)]
    lease: String,
    /// How long it lasts from now: 1 to 43,200,000 (12 hours).
    #[param(minimum = 1, maximum = 43200000)]
    lease_millis: u64,
}

/// A reserved value.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReservedValue {
    /// The value, in base64.
    value_base64: String,
    /// How often it has been delivered, this time included.
    deliveries: u32,
}

/// Values under a lease.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Reservation {
    /// What names the lease; missing if the list had no values.
    #[schema(required = true)]
    lease: Option<String>,
    /// In the order in which single pops would return them.
    values: Vec<ReservedValue>,
}

/// How many values a release returned.
#[derive(Debug, Serialize, ToSchema)]
pub struct Returned {
    /// The number of values returned to the list.
    returned: u64,
}

/// Reserve values: they leave the list, and return when the lease ends.
#[utoipa::path(post, path = "/namespaces/{name}/list/reserve", tag = "data", params(("name" = String, Path), ReserveParams),
    responses((status = 200, description = "As many as there are, and no more than fit into 4 MiB.", body = Reservation)))]
pub async fn reserve(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<ReserveParams>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Reservation>, Problem> {
    let ReserveParams { key, end, count, lease_millis } = params;
    note(&admin, caller, format!("reserve up to {count} {} in {name}", end.word()), &key).await?;
    let call = admin.gateway.namespace(&name).list().reserve(key).count(count);
    let call = call.lease(Duration::from_millis(lease_millis));
    let call = match end {
        End::Left => call,
        End::Right => call.from_right(),
    };
    let reserved = call.await.map_err(|error| problem(&error))?;
    Ok(Json(reserved.as_ref().map(Reservation::of).unwrap_or_default()))
}

impl Reservation {
    fn of(lease: &Lease) -> Self {
        let value = |reserved: &prism_client::Reserved| ReservedValue {
            value_base64: STANDARD.encode(&reserved.value),
            deliveries: reserved.deliveries,
        };
        Self {
            lease: Some(URL_SAFE.encode(lease.token())),
            values: lease.values().iter().map(value).collect(),
        }
    }
}

/// Acknowledge a lease: its values are removed for good.
#[utoipa::path(post, path = "/namespaces/{name}/list/ack", tag = "data", params(("name" = String, Path), LeaseParams),
    responses((status = 200, description = "How many there were.", body = RemovedValues)))]
pub async fn ack(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<LeaseParams>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<RemovedValues>, Problem> {
    let lease = lease(&admin, &name, &params.key, &params.lease)?;
    note(&admin, caller, format!("acknowledge a lease in {name}"), &params.key).await?;
    let removed = lease.ack().await;
    removed.map(|removed| Json(RemovedValues { removed })).map_err(|error| problem(&error))
}

/// Let a lease end later, counted from now.
#[utoipa::path(post, path = "/namespaces/{name}/list/extend", tag = "data", params(("name" = String, Path), ExtendParams),
    responses((status = 204, description = "It lasts so long from now.")))]
pub async fn extend(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<ExtendParams>,
    Extension(caller): Extension<Caller>,
) -> Result<StatusCode, Problem> {
    let lease = lease(&admin, &name, &params.key, &params.lease)?;
    note(&admin, caller, format!("extend a lease in {name}"), &params.key).await?;
    let extended = lease.extend(Duration::from_millis(params.lease_millis)).await;
    extended.map(|()| StatusCode::NO_CONTENT).map_err(|error| problem(&error))
}

/// End a lease: its values return to the list at once.
#[utoipa::path(post, path = "/namespaces/{name}/list/release", tag = "data", params(("name" = String, Path), LeaseParams),
    responses((status = 200, description = "How many there were.", body = Returned)))]
pub async fn release(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<LeaseParams>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Returned>, Problem> {
    let lease = lease(&admin, &name, &params.key, &params.lease)?;
    note(&admin, caller, format!("release a lease in {name}"), &params.key).await?;
    let returned = lease.release().await;
    returned.map(|returned| Json(Returned { returned })).map_err(|error| problem(&error))
}

fn lease(admin: &Admin, name: &str, key: &str, token: &str) -> Result<Lease, Problem> {
    let wrong = |_| Problem::new(Kind::Malformed, "lease: expected the lease of a reservation, in base64");
    let token = URL_SAFE.decode(token).map_err(wrong)?;
    Ok(admin.gateway.namespace(name).list().lease(key, token))
}
