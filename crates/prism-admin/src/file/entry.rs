//! An entry of the list of namespaces, read once.

use prism_proxy::endpoint::Endpoint;
use serde_yaml::Value;

/// An entry of the list of namespaces.
#[derive(Debug)]
pub struct Entry {
    /// Its written form.
    pub value: Value,
    /// The name; empty if it has none.
    pub name: String,
    /// The endpoint of its backend, if it can be parsed.
    pub endpoint: Option<Endpoint>,
}

impl Entry {
    /// Parses an entry.
    #[must_use]
    pub fn new(value: Value) -> Self {
        let name = match value.get("name") {
            // Where text is expected, the proxy reads a null as it is written; no other form of null is a valid name.
            Some(Value::Null) => "null",
            name => name.and_then(Value::as_str).unwrap_or_default(),
        };
        let name = name.to_owned();
        let endpoint = endpoint_of(&value);
        Self { value, name, endpoint }
    }
}

/// The endpoint of a namespace, if it can be parsed.
#[must_use]
pub fn endpoint_of(namespace: &Value) -> Option<Endpoint> {
    namespace.get("plugin")?.get("endpoint")?.as_str()?.parse().ok()
}
