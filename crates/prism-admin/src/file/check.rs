//! Every mistake of a configuration, by the proxy's own rules, with pointers into the file.

use prism_proxy::config::{self, Config, FILE_BYTES_MAX, Mistake};
use serde_yaml::{Mapping, Value};

use super::yaml::take_namespaces;
use crate::error::FieldError;

/// A configuration that breaks no rule, in its written form.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The file, with null instead of the list of namespaces.
    pub rest: Value,
    /// The namespaces.
    pub namespaces: Vec<Value>,
}

/// Checks a configuration.
///
/// # Errors
/// Every mistake, with pointers into the file.
pub fn file(bytes: &[u8]) -> Result<Checked, Vec<FieldError>> {
    let parsed = serde_yaml::from_str(text(bytes)?);
    if let Some(kind) = parsed.as_ref().ok().and_then(no_mapping) {
        let detail = format!(
            "the file is {kind}; expected a mapping with the key namespaces, such as `namespaces: []`"
        );
        return Err(vec![FieldError { pointer: String::new(), detail }]);
    }
    match (Config::parse("the file", bytes), parsed) {
        (Ok(_), Ok(mut rest)) => Ok(Checked { namespaces: take_namespaces(&mut rest), rest }),
        (Err(error), _) => Err(told(error.every_mistake(bytes))),
        (Ok(_), Err(error)) => Err(vec![FieldError { pointer: String::new(), detail: error.to_string() }]),
    }
}

/// The kind of a value, unless it is a mapping.
fn no_mapping(value: &Value) -> Option<&'static str> {
    match value {
        Value::Mapping(_) | Value::Tagged(_) => None,
        Value::Null => Some("null, or nothing but comments"),
        Value::Bool(_) => Some("a boolean"),
        Value::Number(_) => Some("a number"),
        Value::String(_) => Some("a string"),
        Value::Sequence(_) => Some("a list"),
    }
}

/// The namespaces of a configuration, in their written form.
///
/// # Errors
/// Every mistake, with pointers into the file.
pub fn namespaces(bytes: &[u8]) -> Result<Vec<Value>, Vec<FieldError>> {
    file(bytes).map(|checked| checked.namespaces)
}

/// Checks a text without parsing it, for what a proxy would not even parse.
///
/// # Errors
/// What is wrong.
pub fn text(bytes: &[u8]) -> Result<&str, Vec<FieldError>> {
    if bytes.len() > FILE_BYTES_MAX {
        let detail =
            format!("the file would have {} bytes; the maximum for proxies is {FILE_BYTES_MAX}", bytes.len());
        return Err(vec![FieldError { pointer: String::new(), detail }]);
    }
    config::text("the file", bytes).map_err(|error| told(error.mistakes()))
}

/// Checks a single namespace.
///
/// # Errors
/// Every mistake, with pointers into the namespace.
pub fn namespace(value: &Value) -> Result<(), Vec<FieldError>> {
    let file = Mapping::from_iter([("namespaces".into(), Value::Sequence(vec![value.clone()]))]);
    let text = serde_yaml::to_string(&file);
    let text =
        text.map_err(|error| vec![FieldError { pointer: String::new(), detail: error.to_string() }])?;
    let within = |mut error: FieldError| {
        if let Some(rest) = error.pointer.strip_prefix("/namespaces/0") {
            error.pointer = rest.to_owned();
        }
        error
    };
    namespaces(text.as_bytes()).map(drop).map_err(|errors| errors.into_iter().map(within).collect())
}

fn told(mistakes: Vec<Mistake>) -> Vec<FieldError> {
    let told = |Mistake { field, why, .. }: Mistake| FieldError { pointer: pointer(&field), detail: why };
    mistakes.into_iter().map(told).collect()
}

/// `namespaces[0].plugin` as `/namespaces/0/plugin`.
fn pointer(field: &str) -> String {
    let parts =
        field.split(['.', '[']).map(|part| part.trim_end_matches(']')).filter(|part| !part.is_empty());
    parts.map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> Vec<(String, String)> {
        let errors = namespace(&serde_yaml::from_str(text).unwrap()).unwrap_err();
        errors.into_iter().map(|error| (error.pointer, error.detail)).collect()
    }

    #[test]
    fn every_wrong_field_is_told_whatever_is_wrong_with_it() {
        let errors =
            wrong("{name: 5, pattern: graph, plugin: {}, timeout: [1], colour: red, max_message_bytes: 1}");
        let pointers: Vec<_> = errors.iter().map(|(pointer, _)| pointer.as_str()).collect();
        for pointer in ["/name", "/pattern", "/plugin/endpoint", "/timeout", "/colour", "/max_message_bytes"]
        {
            assert!(pointers.contains(&pointer), "{pointer} is missing in {errors:?}");
        }
        assert_eq!(errors.len(), 6, "{errors:?}");
    }

    #[test]
    fn what_is_no_namespace_at_all_is_told_once() {
        for text in ["5", "[]", "null", "{}"] {
            assert!(!wrong(text).is_empty(), "{text}");
        }
        let pointers: Vec<_> = wrong("{}").into_iter().map(|(pointer, _)| pointer).collect();
        assert_eq!(pointers, ["/name", "/pattern", "/plugin"]);
    }

    #[test]
    fn what_was_expected_is_told_in_words() {
        let detail = |text: &str| namespaces(text.as_bytes()).unwrap_err()[0].detail.clone();
        for (text, kind) in [
            ("null", "null, or nothing but comments"),
            ("# a comment", "null, or nothing but comments"),
            ("true", "a boolean"),
            ("5", "a number"),
            ("\"namespaces\"", "a string"),
            ("[]", "a list"),
            ("[{name: a, pattern: keyvalue, plugin: {endpoint: 'b:1'}}]", "a list"),
        ] {
            let expected = "expected a mapping with the key namespaces, such as `namespaces: []`";
            assert_eq!(detail(text), format!("the file is {kind}; {expected}"));
        }
        for text in [
            "!tagged []",
            "server: 5\nnamespaces: []",
            "namespaces: [5]",
            "namespaces: [{plugin: 5}]",
            "namespaces: 5",
        ] {
            let detail = detail(text);
            assert!(
                !detail.contains("struct") && !detail.contains("Section") && !detail.contains("unit"),
                "{detail}"
            );
        }
    }

    #[test]
    fn a_body_that_would_keep_the_parser_busy_is_refused_at_once() {
        let deep = format!("namespaces: {}", "[".repeat(1 << 20));
        let [error] = namespaces(deep.as_bytes()).unwrap_err().try_into().unwrap();
        assert!(error.detail.contains("nested too deeply"), "{error:?}");
    }

    #[test]
    fn a_good_namespace_has_no_errors() {
        let good = "{name: a, pattern: keyvalue, plugin: {endpoint: 'a:1'}, timeout: 5s}";
        assert_eq!(namespace(&serde_yaml::from_str(good).unwrap()), Ok(()));
    }
}
