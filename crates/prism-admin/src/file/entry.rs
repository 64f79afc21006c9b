//! What an entry of the list of namespaces says, as far as it can be read.

use prism_proxy::endpoint::Endpoint;
use serde_yaml::Value;

use super::check;

/// The name; empty if there is none.
#[must_use]
pub fn name_of(namespace: &Value) -> &str {
    namespace.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// The endpoint that a namespace names, if it can be read, by its pointer below `base`.
#[must_use]
pub fn endpoint_of(namespace: &Value, base: &str) -> Option<(String, Endpoint)> {
    let text = namespace.get("plugin")?.get("endpoint")?.as_str()?;
    Some((format!("{base}/plugin/endpoint"), text.parse().ok()?))
}

/// The endpoints that the namespaces of a whole file name, as far as it can be read.
#[must_use]
pub fn endpoints_of_file(bytes: &[u8]) -> Vec<(String, Endpoint)> {
    let namespaces = check::namespaces(bytes).unwrap_or_default();
    let endpoint = |(index, namespace)| endpoint_of(namespace, &format!("/namespaces/{index}"));
    namespaces.iter().enumerate().filter_map(endpoint).collect()
}
