//! `/config/status` and `/health`: the file, and whether the proxies are in sync with it.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::Problem;
use crate::state::Admin;

/// The file, and what the proxies report of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Status {
    file: File,
    /// Whether every proxy has the file's revision in force.
    in_sync: bool,
    proxies: Vec<Proxy>,
    /// What other machines can reach of the admin without TLS or without credentials.
    #[schema(example = json!(["HTTP on 0.0.0.0:8990 without TLS"]))]
    open_to_others: Vec<String>,
}

/// The file.
#[derive(Debug, Serialize, ToSchema)]
pub struct File {
    /// Its path, as given to the admin.
    path: String,
    /// Whether it exists.
    exists: bool,
    /// Its SHA-256, in hex.
    sha256: String,
    /// Number of its namespaces; missing if it cannot be used.
    #[schema(required = true)]
    namespaces: Option<usize>,
    /// Why it cannot be used.
    #[schema(required = true)]
    error: Option<String>,
}

/// A proxy.
#[derive(Debug, Serialize, ToSchema)]
pub struct Proxy {
    /// Its HTTP port.
    url: String,
    /// Whether it has the file's revision in force.
    in_sync: bool,
    /// Why it does not answer.
    #[schema(required = true)]
    error: Option<String>,
    /// Its own `/config/status`.
    #[schema(value_type = Object, nullable)]
    status: serde_json::Value,
}

/// Show the state of the file and of the proxies that read it.
#[utoipa::path(get, path = "/config/status", tag = "config", responses(
    (status = 200, description = "The state, good or bad.", body = Status),
))]
pub async fn get(State(admin): State<Admin>) -> Result<Json<Status>, Problem> {
    let now = admin.blocking(|store| store.read()).await?;
    let proxies: Vec<_> = admin
        .proxies
        .statuses()
        .await
        .into_iter()
        .map(|(url, status)| {
            let (error, status) = match status {
                Ok(status) => (None, status),
                Err(error) => (Some(error.to_string()), serde_json::Value::Null),
            };
            // Without a file, a proxy has none in force, either.
            let in_sync = match now.bytes_in_file() {
                Some(_) => status["revision"] == now.sha256(),
                None => error.is_none() && status["revision"].is_null(),
            };
            Proxy { url: url.to_string(), in_sync, error, status }
        })
        .collect();
    let usable = now.entries();
    let file = File {
        path: admin.store.path().display().to_string(),
        exists: now.bytes_in_file().is_some(),
        sha256: now.sha256().to_owned(),
        namespaces: usable.as_ref().ok().map(|entries| entries.len()),
        error: usable.err().map(|problem| problem.detail),
    };
    let open_to_others = admin.open.get().to_vec();
    Ok(Json(Status { file, in_sync: proxies.iter().all(|proxy| proxy.in_sync), proxies, open_to_others }))
}

/// The health of the admin.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`, or `degraded` if the file cannot be read or used.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Show the health of the admin. Needs no token.
#[utoipa::path(get, path = "/health", tag = "operation", security(()), responses(
    (status = 200, description = "The admin answers.", body = Health),
))]
pub async fn health(State(admin): State<Admin>) -> Json<Health> {
    let usable = admin.blocking(|store| store.read()?.entries().map(drop)).await.is_ok();
    Json(Health { status: if usable { "ok" } else { "degraded" } })
}
