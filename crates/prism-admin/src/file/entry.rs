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
        let name = match value.get("name") {
            // Where text is expected, the proxy reads a null as it is written, and no other way of writing it is a name.
            Some(Value::Null) => "null",
            name => name.and_then(Value::as_str).unwrap_or_default(),
        };
        let name = name.to_owned();
        let endpoint = endpoint_of(&value);
        Self { value, name, endpoint }
    }
}

/// The endpoint that a namespace names, if it can be read.
#[must_use]
pub fn endpoint_of(namespace: &Value) -> Option<Endpoint> {
    namespace.get("plugin")?.get("endpoint")?.as_str()?.parse().ok()
}
