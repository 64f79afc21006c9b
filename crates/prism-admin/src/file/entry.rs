//! The items of the file's lists, read once.

use prism_proxy::config::{Backend, Plugin};
use serde_yaml::Value;

/// An entry of the list of namespaces.
#[derive(Debug)]
pub struct Entry {
    /// Its written form.
    pub value: Value,
    /// The name; empty if it has none.
    pub name: String,
    /// What serves it, if that can be parsed.
    pub plugin: Option<Plugin>,
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
        let plugin = plugin_of(&value);
        Self { value, name, plugin }
    }
}

/// An entry of the list of backends.
#[derive(Debug)]
pub struct BackendEntry {
    /// Its written form.
    pub value: Value,
    /// Its settings, as a proxy reads them.
    pub settings: Backend,
}

/// What serves a namespace, if that can be parsed.
#[must_use]
pub fn plugin_of(namespace: &Value) -> Option<Plugin> {
    let plugin = namespace.get("plugin")?;
    let given = |key: &str| plugin.get(key).filter(|value| !value.is_null());
    match given("backend") {
        Some(name) => name.as_str().map(|name| Plugin::Backend(name.to_owned())),
        None => given("endpoint")?.as_str()?.parse().ok().map(Plugin::Endpoint),
    }
}
