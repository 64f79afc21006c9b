//! An entry of the list of namespaces, read once.

use prism_proxy::endpoint::Endpoint;
use serde_yaml::Value;

/// An entry of the list of namespaces.
#[derive(Debug)]
pub struct Entry {
    /// As it is written.
    pub value: Value,
    /// The name; empty if there is none.
    pub name: String,
    /// Where its backend is, if that can be read.
    pub endpoint: Option<Endpoint>,
}

impl Entry {
    /// Reads an entry.
    #[must_use]
    pub fn new(value: Value) -> Self {
        let name = value.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let endpoint = endpoint_of(&value);
        Self { value, name, endpoint }
    }
}

/// The endpoint that a namespace names, if it can be read.
#[must_use]
pub fn endpoint_of(namespace: &Value) -> Option<Endpoint> {
    namespace.get("plugin")?.get("endpoint")?.as_str()?.parse().ok()
}
