//! `/namespaces/{name}/promises`: what the backend of a namespace promises, and what can be lost.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use prism_plugin::{Capabilities, Durability};
use serde::Serialize;
use utoipa::ToSchema;

use super::request::Param;
use crate::error::Problem;
use crate::gateway::Health;
use crate::state::Admin;

/// What the backend of a namespace promises; null if it reports nothing or cannot be reached.
#[derive(Serialize, ToSchema)]
pub struct NamespacePromises {
    /// What the namespace can lose, in one sentence.
    can_lose: String,
    /// Whether keys may vanish before their time to live is over.
    evicts: Option<bool>,
    /// What an acknowledged write survives: `none`, `periodic`, `every_write` or `replicated`; null if the backend does not know.
    durability: Option<&'static str>,
    /// Whether calls that change one key or list may be repeated without being applied twice.
    idempotent_retries: Option<bool>,
}

/// Read what the backend of a namespace promises.
#[utoipa::path(get, path = "/namespaces/{name}/promises", tag = "namespaces", params(("name" = String, Path)), responses(
    (status = 200, description = "What the backend reports through the gateway, asked for at most 2 s.", body = NamespacePromises),
))]
pub async fn get(
    State(admin): State<Admin>,
    Param(name): Param<String>,
) -> Result<impl IntoResponse, Problem> {
    let told = admin.gateway.ask(&name).await;
    let promised = told.capabilities.map(Capabilities::from);
    Ok(Json(NamespacePromises::of(promised, matches!(told.health, Health::Serving | Health::NotAsked))))
}

impl NamespacePromises {
    fn of(promised: Option<Capabilities>, has_answered: bool) -> Self {
        let unknown = if has_answered {
            Capabilities::LOSES_UNKNOWN
        } else {
            "unknown: the backend could not be asked"
        };
        Self {
            can_lose: promised.as_ref().map_or_else(|| unknown.to_owned(), Capabilities::can_lose),
            evicts: promised.map(|promised| promised.evicts),
            durability: promised.and_then(|promised| promised.durability).map(
                |durability| match durability {
                    Durability::None => "none",
                    Durability::Periodic { .. } => "periodic",
                    Durability::EveryWrite => "every_write",
                    Durability::Replicated { .. } => "replicated",
                },
            ),
            idempotent_retries: promised.map(|promised| promised.idempotent_retries),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_from_a_backend_that_cannot_be_asked() {
        assert_eq!(NamespacePromises::of(None, true).can_lose, Capabilities::LOSES_UNKNOWN);
        assert!(NamespacePromises::of(None, false).can_lose.contains("could not be asked"));
    }
}
