//! YAML values: the file's, and its list of namespaces.

use serde_yaml::{Mapping, Value};

/// The key of the list.
pub(super) const NAMESPACES: &str = "namespaces";

/// The mapping in a text; an empty one for an empty text.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    match serde_yaml::from_str(text).map_err(|error| error.to_string())? {
        Value::Null => Ok(Value::Mapping(Mapping::new())),
        value @ Value::Mapping(_) => Ok(value),
        _ => Err("the file is not a mapping".to_owned()),
    }
}

/// The list of namespaces; empty if it is missing.
pub(super) fn namespaces(file: &Value) -> &[Value] {
    file.get(NAMESPACES).and_then(Value::as_sequence).map_or(&[], Vec::as_slice)
}

/// Takes the list out of a file, leaving null in its place.
pub(super) fn take_namespaces(file: &mut Value) -> Vec<Value> {
    match file.get_mut(NAMESPACES).map(std::mem::take) {
        Some(Value::Sequence(list)) => list,
        _ => Vec::new(),
    }
}

/// A value in block style, its lines after the first one indented.
pub(super) fn block(value: &Value, indent: usize) -> Option<String> {
    let text = serde_yaml::to_string(value).ok()?;
    Some(text.trim_end().replace('\n', &format!("\n{}", " ".repeat(indent))))
}
