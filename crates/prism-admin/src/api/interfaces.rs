//! `/namespaces/{name}/interfaces`: what a namespace serves, so that nothing is offered which the gateway would refuse.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use prism_proxy::config::Plugin;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::item::find;
use super::request::Param;
use crate::error::Problem;
use crate::file::entry::plugin_of;
use crate::file::yaml::List;
use crate::state::Admin;

/// The interfaces of a namespace.
#[derive(Debug, Serialize, ToSchema)]
pub struct Interfaces {
    /// Their full names, in order; null while no proxy knows what the backend has: its reflection has not answered, or it has none.
    #[schema(required = true)]
    interfaces: Option<BTreeSet<String>>,
}

/// List the interfaces that a namespace serves, as far as the proxies know: those of its backend, without those that its settings
/// leave out.
#[utoipa::path(get, path = "/namespaces/{name}/interfaces", tag = "namespaces", params(("name" = String, Path)), responses(
    (status = 200, description = "What every proxy that knows the backend can serve.", body = Interfaces),
))]
pub async fn get(
    State(admin): State<Admin>,
    Param(name): Param<String>,
) -> Result<Json<Interfaces>, Problem> {
    let now = admin.blocking(|store| store.read()).await?;
    let namespace = find(&now, List::Namespaces, &name)?;
    let Some(plugin) = plugin_of(&namespace) else { return Ok(Json(Interfaces { interfaces: None })) };
    let statuses = admin.proxies.statuses().await;
    let statuses = statuses.iter().filter_map(|(_, status)| status.as_ref().ok());
    let known = statuses.filter_map(|status| of_backend(status, &plugin));
    let mut served = known.reduce(|one, other| &one & &other);
    if let (Some(served), Some(only)) =
        (&mut served, namespace.get("interfaces").and_then(|only| only.as_sequence()))
    {
        served.retain(|name| only.iter().any(|one| one.as_str() == Some(name)));
    }
    Ok(Json(Interfaces { interfaces: served }))
}

/// The interfaces that a proxy reports of a backend.
fn of_backend(status: &Value, plugin: &Plugin) -> Option<BTreeSet<String>> {
    let is_it = |backend: &&Value| match plugin {
        Plugin::Backend(name) => backend["name"] == **name,
        Plugin::Endpoint(endpoint) => {
            backend["name"].is_null() && backend["endpoint"] == endpoint.to_string()
        }
    };
    let backend = status["backends"].as_array()?.iter().find(is_it)?;
    let interfaces = backend["interfaces"].as_array()?;
    Some(interfaces.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_backend_is_found_by_its_name_or_its_endpoint() {
        let status = json!({"backends": [
            {"name": "b", "endpoint": "a:1", "interfaces": ["x"]},
            {"name": null, "endpoint": "a:1", "interfaces": ["y", "z"]},
            {"name": null, "endpoint": "c:1", "interfaces": null},
        ]});
        let of = |plugin| of_backend(&status, &plugin).map(|found| found.into_iter().collect::<Vec<_>>());
        let endpoint = |text: &str| Plugin::Endpoint(text.parse().unwrap());
        assert_eq!(of(Plugin::Backend("b".to_owned())), Some(vec!["x".to_owned()]));
        assert_eq!(of(endpoint("a:1")), Some(vec!["y".to_owned(), "z".to_owned()]));
        assert_eq!((of(endpoint("c:1")), of(endpoint("d:1"))), (None, None));
    }
}
