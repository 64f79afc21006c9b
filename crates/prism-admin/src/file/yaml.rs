//! YAML values: the file's, and its lists.

use std::fmt;

use serde_yaml::{Mapping, Value};

/// A list of the file whose items have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// The backends that namespaces can name. The file may lack the list.
    Backends,
    /// The namespaces.
    Namespaces,
}

impl List {
    /// Its key in the file.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Backends => "backends",
            Self::Namespaces => "namespaces",
        }
    }

    /// The key before which the list belongs, if the file lacks it.
    pub(super) fn follower(self) -> Option<&'static str> {
        match self {
            Self::Backends => Some(Self::Namespaces.key()),
            Self::Namespaces => None,
        }
    }
}

impl fmt::Display for List {
    /// One of its items.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Backends => "backend",
            Self::Namespaces => "namespace",
        })
    }
}

/// The mapping in a text; an empty one for an empty text.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    match serde_yaml::from_str(text).map_err(|error| error.to_string())? {
        Value::Null => Ok(Value::Mapping(Mapping::new())),
        value @ Value::Mapping(_) => Ok(value),
        _ => Err("the file is not a mapping".to_owned()),
    }
}

/// The items of a list; empty if it is missing.
pub(super) fn items(file: &Value, list: List) -> &[Value] {
    file.get(list.key()).and_then(Value::as_sequence).map_or(&[], Vec::as_slice)
}

/// Takes a list out of a file, leaving null in its place.
pub(super) fn take(file: &mut Value, list: List) -> Vec<Value> {
    match file.get_mut(list.key()).map(std::mem::take) {
        Some(Value::Sequence(items)) => items,
        _ => Vec::new(),
    }
}

/// A value in block style, its lines after the first one indented.
pub(super) fn block(value: &Value, indent: usize) -> Option<String> {
    let text = serde_yaml::to_string(value).ok()?;
    Some(text.trim_end().replace('\n', &format!("\n{}", " ".repeat(indent))))
}
