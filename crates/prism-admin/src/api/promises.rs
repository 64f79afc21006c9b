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
        let unknown = if has_answered { UNKNOWN } else { "unknown: the backend could not be asked" };
        Self {
            can_lose: promised.as_ref().map_or_else(|| unknown.to_owned(), can_lose),
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

const UNKNOWN: &str = "unknown: the backend does not report what it keeps";

/// What a namespace can lose, in one sentence.
fn can_lose(promised: &Capabilities) -> String {
    let lost = match promised.durability {
        Some(Durability::None) => "everything, when the backend ends".to_owned(),
        None if promised.in_memory => "everything, when the backend ends".to_owned(),
        Some(Durability::Periodic { period }) => {
            format!("the writes of the last {period:?}, when the backend's machine fails")
        }
        Some(Durability::EveryWrite) => "nothing that was acknowledged, unless a disk fails".to_owned(),
        Some(Durability::Replicated { replicas }) => {
            format!("nothing that was acknowledged, unless {} servers fail", replicas.saturating_add(1))
        }
        None => UNKNOWN.to_owned(),
    };
    match promised.evicts {
        true => format!("{lost}; and keys before their time, when the backend's memory is full"),
        false => lost,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_sentence_says_what_can_be_lost() {
        let sentence = |durability, in_memory, evicts| {
            can_lose(&Capabilities { durability, in_memory, evicts, ..Capabilities::default() })
        };
        let period = Duration::from_secs(1);
        for (durability, in_memory, expected) in [
            (Some(Durability::None), true, "everything, when the backend ends"),
            (None, true, "everything, when the backend ends"),
            (None, false, UNKNOWN),
            (
                Some(Durability::Periodic { period }),
                false,
                "the writes of the last 1s, when the backend's machine fails",
            ),
            (Some(Durability::EveryWrite), false, "nothing that was acknowledged, unless a disk fails"),
            (
                Some(Durability::Replicated { replicas: 2 }),
                false,
                "nothing that was acknowledged, unless 3 servers fail",
            ),
        ] {
            assert_eq!(sentence(durability, in_memory, false), expected);
            let evicting = sentence(durability, in_memory, true);
            assert_eq!(
                evicting,
                format!("{expected}; and keys before their time, when the backend's memory is full")
            );
        }
        assert_eq!(NamespacePromises::of(None, true).can_lose, UNKNOWN);
        assert!(NamespacePromises::of(None, false).can_lose.contains("could not be asked"));
    }
}
