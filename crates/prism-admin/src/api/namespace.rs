//! A namespace in the API: its description, and its settings read from a body, changed and tagged.

use axum::body::Body;
use http::Request;
use serde::Serialize;
use serde_yaml::{Mapping, Value};
use utoipa::ToSchema;

use super::request::{NAMESPACE_BYTES_MAX, body};
use crate::error::{FieldError, Kind, Problem};
use crate::file::snapshot::sha256;

/// A namespace: its name, its backend and its limits. Settings that are omitted have their defaults.
//
// This describes the API; the proxy's own rules parse what is sent and stored.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Namespace {
    /// 1 to 64 of `a-z 0-9 -`, starting with a letter.
    #[schema(pattern = "^[a-z][a-z0-9-]{0,63}$", example = "orders")]
    name: String,
    /// Interface that the backend must at least offer.
    pattern: Pattern,
    plugin: Plugin,
    /// The only interfaces served, by full name, including that of the pattern; default: all that the backend has.
    interfaces: Option<Vec<String>>,
    /// Timeout of unary calls that carry no deadline: 1ms to 1h; default 30s.
    #[schema(example = "30s")]
    timeout: Option<String>,
    /// Maximum size of a message from a client, in bytes; default 4194304.
    #[schema(minimum = 1024, maximum = 4194304)]
    max_message_bytes: Option<u64>,
    /// Maximum calls in flight at each proxy; default: no limit.
    #[schema(minimum = 1, maximum = 4294967295u32)]
    max_in_flight: Option<u64>,
    /// Maximum calls that may start per second at each proxy, with bursts of a second's worth; default: no limit.
    #[schema(minimum = 1, maximum = 4294967295u32)]
    requests_per_second: Option<u64>,
    /// Serve only methods without side effects; default false.
    read_only: Option<bool>,
}

/// The optional settings.
const OPTIONAL: [&str; 6] =
    ["interfaces", "timeout", "max_message_bytes", "max_in_flight", "requests_per_second", "read_only"];

/// A data pattern.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pattern {
    /// Values by key.
    KeyValue,
    /// Ordered lists.
    List,
}

/// The backend.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Plugin {
    /// `HOST:PORT`, `http://HOST:PORT`, `unix:PATH` or `embedded:NAME`.
    #[schema(example = "localhost:50051")]
    endpoint: String,
}

/// A complete namespace: null stands for a setting that is omitted and has its default.
pub(super) async fn read_whole(request: Request<Body>, types: &[&str]) -> Result<Value, Problem> {
    let mut value = read(request, types).await?;
    if let Value::Mapping(settings) = &mut value {
        settings.retain(|name, value| !(value.is_null() && OPTIONAL.iter().any(|known| name == known)));
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
    Ok(value)
}

/// A body that is a JSON object, with its keys in the order in which they were sent.
pub(super) async fn read(request: Request<Body>, types: &[&str]) -> Result<Value, Problem> {
    let bytes = body(request, types, NAMESPACE_BYTES_MAX).await?;
    let value = serde_json::from_slice::<Value>(&bytes)
        .map_err(|error| Problem::new(Kind::Malformed, format!("the body is not JSON: {error}")))?;
    match value {
        Value::Mapping(_) => Ok(value),
        _ => Err(Problem::field("", "expected an object with the settings of a namespace")),
    }
}

/// The namespace with the name from its path, which the body may omit.
pub(super) fn named(namespace: Value, name: &str) -> Result<Value, Problem> {
    let Value::Mapping(settings) = namespace else { return Ok(namespace) };
    match settings.get("name") {
        Some(given) if given != name => Err(Problem::field(
            "/name",
            "the name differs from the path's; to rename a namespace, create another",
        )),
        Some(_) => Ok(Value::Mapping(settings)),
        None => {
            let first = (Value::from("name"), Value::from(name));
            Ok(Value::Mapping(Mapping::from_iter([first].into_iter().chain(settings))))
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

pub(super) fn json(namespace: &Value) -> Result<serde_json::Value, Problem> {
    serde_json::to_value(namespace).map_err(|error| Problem::new(Kind::Internal, error.to_string()))
}

/// The strong tag of a namespace: of its settings, not of where, how and in which order they are written.
pub(super) fn tag(namespace: &Value) -> String {
    let mut settings = serde_json::to_value(namespace).unwrap_or_default();
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
    fn a_name_comes_from_the_path_and_may_not_contradict_it() {
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(
            named(value(r#"{"pattern":"list"}"#), "a").unwrap(),
            value(r#"{"name":"a","pattern":"list"}"#)
        );
        assert!(named(value(r#"{"name":"a"}"#), "a").is_ok());
        for other in [r#"{"name":"b"}"#, r#"{"name":null}"#, r#"{"name":5}"#] {
            assert_eq!(named(value(other), "a").unwrap_err().errors[0].pointer, "/name");
        }
    }
}
