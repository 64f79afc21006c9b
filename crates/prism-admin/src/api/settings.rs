//! The settings of a namespace or a backend: read from a body, changed and tagged.

use axum::body::Body;
use http::Request;
use serde_yaml::{Mapping, Value};

use super::request::{SETTINGS_BYTES_MAX, body};
use super::{backend, namespace};
use crate::error::{FieldError, Kind, Problem};
use crate::file::snapshot::sha256;
use crate::file::yaml::List;

const JSON: &[&str] = &["application/json"];

/// The content types of a change.
pub(super) const MERGE_PATCH: &[&str] = &["application/merge-patch+json", "application/json"];

/// All settings: null stands for an optional one that is omitted and has its default.
pub(super) async fn read_whole(request: Request<Body>, list: List) -> Result<Value, Problem> {
    let mut value = read(request, list, JSON).await?;
    let optional = match list {
        List::Backends => &backend::OPTIONAL[..],
        List::Namespaces => &namespace::OPTIONAL,
    };
    if let Value::Mapping(settings) = &mut value {
        settings.retain(|name, value| !(value.is_null() && optional.iter().any(|known| name == known)));
        if let Some(Value::Mapping(plugin)) = settings.get_mut("plugin") {
            plugin.retain(|_, value| !value.is_null());
        }
        // In YAML, a null where text is expected is the text null.
        let nulls =
            settings.iter().filter(|(_, value)| value.is_null()).filter_map(|(name, _)| name.as_str());
        let null =
            |name| FieldError { pointer: format!("/{name}"), detail: "null is not a valid value".to_owned() };
        let errors: Vec<_> = nulls.map(null).collect();
        if !errors.is_empty() {
            return Err(Problem::invalid(errors));
        }
    }
    Ok(name_first(value))
}

/// The settings with the name before all others, where people look for it in a list.
fn name_first(settings: Value) -> Value {
    let Value::Mapping(mut settings) = settings else { return settings };
    let name = settings.shift_remove("name").map(|name| (Value::from("name"), name));
    Value::Mapping(name.into_iter().chain(settings).collect())
}

/// A body that is a JSON object, with its keys in the order in which they were sent.
pub(super) async fn read(request: Request<Body>, list: List, types: &[&str]) -> Result<Value, Problem> {
    let bytes = body(request, types, SETTINGS_BYTES_MAX).await?;
    let value = serde_json::from_slice::<Value>(&bytes)
        .map_err(|error| Problem::new(Kind::Malformed, format!("the body is not JSON: {error}")))?;
    match value {
        Value::Mapping(_) => Ok(value),
        _ => Err(Problem::field("", format!("expected an object with the settings of a {list}"))),
    }
}

/// The settings with the name from their path, which the body may omit.
pub(super) fn named(settings: Value, list: List, name: &str) -> Result<Value, Problem> {
    let Value::Mapping(settings) = settings else { return Ok(settings) };
    match settings.get("name") {
        Some(given) if given != name => Err(Problem::field(
            "/name",
            format!("the name differs from the path's; to rename a {list}, create another"),
        )),
        Some(_) => Ok(Value::Mapping(settings)),
        None => {
            let first = (Value::from("name"), Value::from(name));
            Ok(Value::Mapping([first].into_iter().chain(settings).collect()))
        }
    }
}

/// RFC 7396.
pub(super) fn merged(target: Value, change: &Value) -> Value {
    let Value::Mapping(change) = change else { return change.clone() };
    let mut target = match target {
        Value::Mapping(target) => target,
        _ => Mapping::new(),
    };
    for (key, value) in change {
        if value.is_null() {
            target.shift_remove(key);
        } else {
            let old = target.get(key).cloned().unwrap_or_default();
            target.insert(key.clone(), merged(old, value));
        }
    }
    Value::Mapping(target)
}

pub(super) fn json(settings: &Value) -> Result<serde_json::Value, Problem> {
    serde_json::to_value(settings).map_err(|error| Problem::new(Kind::Internal, error.to_string()))
}

/// The strong tag of settings, not of where, how and in which order they are written.
pub(super) fn tag(settings: &Value) -> String {
    let mut settings = serde_json::to_value(settings).unwrap_or_default();
    settings.sort_all_objects();
    format!("\"{}\"", sha256(settings.to_string().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_patch_is_that_of_the_rfc() {
        // Appendix A of RFC 7396, those cases that concern objects.
        for (target, change, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":"foo"}"#, r#"{"b":{"ccc":null}}"#, r#"{"a":"foo","b":{}}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            assert_eq!(merged(value(target), &value(change)), value(result), "{target} with {change}");
        }
    }

    #[test]
    fn a_tag_is_that_of_the_settings_in_whatever_order() {
        let tag = |text: &str| tag(&serde_yaml::from_str(text).unwrap());
        let one = tag("{name: a, pattern: list, plugin: {endpoint: 'b:1', x: 1}}");
        assert_eq!(one, tag("{plugin: {x: 1, endpoint: 'b:1'}, pattern: list, name: a}"));
        assert_ne!(one, tag("{name: a, pattern: list, plugin: {endpoint: 'b:1', x: 2}}"));
    }

    #[test]
    fn the_name_comes_first() {
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        for (text, expected) in [
            (r#"{"embedded":"m","name":"a","options":{}}"#, r#"{"name":"a","embedded":"m","options":{}}"#),
            (r#"{"b":1,"a":2}"#, r#"{"b":1,"a":2}"#),
        ] {
            assert_eq!(serde_json::to_string(&name_first(value(text))).unwrap(), expected);
        }
    }

    #[test]
    fn a_name_comes_from_the_path_and_may_not_contradict_it() {
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(
            named(value(r#"{"pattern":"list"}"#), List::Namespaces, "a").unwrap(),
            value(r#"{"name":"a","pattern":"list"}"#)
        );
        assert!(named(value(r#"{"name":"a"}"#), List::Namespaces, "a").is_ok());
        for other in [r#"{"name":"b"}"#, r#"{"name":null}"#, r#"{"name":5}"#] {
            assert_eq!(named(value(other), List::Namespaces, "a").unwrap_err().errors[0].pointer, "/name");
        }
    }
}
