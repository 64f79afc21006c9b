//! Every mistake of a configuration, by the proxy's own rules. The proxy stops at the first wrong type; here that field
//! is taken out of the way and the rest looked at, so that one answer names all.

use prism_proxy::config::{self, Config, ConfigError, FILE_BYTES_MAX};
use serde_yaml::{Mapping, Value};

use super::yaml::take_namespaces;
use crate::error::FieldError;

/// The most wrong types that are told.
const TYPES_MAX: usize = 50;

/// Of a larger file only the first wrong type is told: each further one takes another look at all of it.
const RETRIED_BYTES_MAX: usize = 256 << 10;

/// A configuration that breaks no rule, as it is written.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The file, null in place of the list of namespaces.
    pub rest: Value,
    /// The namespaces.
    pub namespaces: Vec<Value>,
}

/// Checks a configuration.
///
/// # Errors
/// Every mistake, with pointers into the file.
pub fn file(bytes: &[u8]) -> Result<Checked, Vec<FieldError>> {
    let text = text(bytes)?;
    match (Config::parse("the file", bytes), serde_yaml::from_str::<Value>(text)) {
        (Ok(_), Ok(mut rest)) => Ok(Checked { namespaces: take_namespaces(&mut rest), rest }),
        (Err(error), Ok(value)) => Err(every(value, error, bytes.len())),
        (Err(error), Err(_)) => Err(told(&error)),
        (Ok(_), Err(error)) => Err(vec![FieldError { pointer: String::new(), detail: error.to_string() }]),
    }
}

/// The namespaces of a configuration, as they are written.
///
/// # Errors
/// Every mistake, with pointers into the file.
pub fn namespaces(bytes: &[u8]) -> Result<Vec<Value>, Vec<FieldError>> {
    file(bytes).map(|checked| checked.namespaces)
}

/// Checks what can be seen of a text without parsing it: what a proxy would not even parse.
///
/// # Errors
/// What is wrong.
pub fn text(bytes: &[u8]) -> Result<&str, Vec<FieldError>> {
    if bytes.len() > FILE_BYTES_MAX {
        let detail =
            format!("the file would have {} bytes; a proxy reads at most {FILE_BYTES_MAX}", bytes.len());
        return Err(vec![FieldError { pointer: String::new(), detail }]);
    }
    config::text("the file", bytes).map_err(|error| told(&error))
}

/// Checks one namespace by itself.
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

fn every(mut value: Value, first: ConfigError, bytes_len: usize) -> Vec<FieldError> {
    let tries = if bytes_len <= RETRIED_BYTES_MAX { TYPES_MAX } else { 0 };
    let mut errors = Vec::new();
    let mut pattern_stood_in = false;
    let mut next = Some(first);
    while let Some(error) = next.take() {
        let ConfigError::Parse { field, why, .. } = &error else {
            let rules = told(&error).into_iter();
            // What a namespace's interfaces must hold depends on its pattern, which is not known then.
            errors.extend(rules.filter(|rule| !(pattern_stood_in && rule.pointer.ends_with("/interfaces"))));
            break;
        };
        pattern_stood_in |= field.ends_with(".pattern") || why.contains("`pattern`");
        errors.extend(told(&error));
        if errors.len() < tries && put_right(&mut value, field, why, errors.len()) {
            let text = serde_yaml::to_string(&value).unwrap_or_default();
            next = Config::parse("the file", text.as_bytes()).err();
        }
    }
    errors
}

fn told(error: &ConfigError) -> Vec<FieldError> {
    match error {
        ConfigError::Read { why, .. } => vec![FieldError { pointer: String::new(), detail: why.clone() }],
        ConfigError::Parse { field, why, .. } => {
            let why = &in_words(why);
            // A missing field is told at what it is missing in.
            let missing = why.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
            let missing = missing.map_or_else(String::new, |name| format!("/{name}"));
            vec![FieldError { pointer: pointer(field) + &missing, detail: why.clone() }]
        }
        ConfigError::Invalid { mistakes, .. } => mistakes
            .iter()
            .map(|mistake| FieldError { pointer: pointer(&mistake.field), detail: mistake.why.clone() })
            .collect(),
    }
}

/// What the parser says in the words of the file, not in those of the code that reads it.
fn in_words(why: &str) -> String {
    const WORDS: [(&str, &str); 5] = [
        ("unit value", "null"),
        ("struct File", "a mapping with the key namespaces"),
        ("struct ServerSection", "a mapping such as {listen_address: HOST:PORT}"),
        ("struct NamespaceSection", "a namespace: a mapping with the keys name, pattern and plugin"),
        ("struct PluginSection", "a mapping such as {endpoint: HOST:PORT}"),
    ];
    WORDS.iter().fold(why.to_owned(), |why, (code, word)| why.replace(code, word))
}

/// `namespaces[0].plugin` as `/namespaces/0/plugin`.
fn pointer(field: &str) -> String {
    let parts =
        field.split(['.', '[']).map(|part| part.trim_end_matches(']')).filter(|part| !part.is_empty());
    parts.map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1"))).collect()
}

/// Makes a field right whose type is wrong: it is taken away, or gets a value that breaks no rule where there must be
/// one. Whether that was possible.
fn put_right(value: &mut Value, field: &str, why: &str, unique: usize) -> bool {
    let parts: Vec<_> = field
        .split(['.', '['])
        .map(|part| part.trim_end_matches(']'))
        .filter(|part| !part.is_empty())
        .collect();
    let missing = why.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
    let (key, parents) = match (missing, parts.split_last()) {
        (Some(missing), _) => (missing, parts.as_slice()),
        (None, Some((key, parents))) => (*key, parents),
        (None, None) => return false,
    };
    let mut parent = value;
    for part in parents {
        let child = match parent {
            Value::Sequence(list) => part.parse::<usize>().ok().and_then(|index| list.get_mut(index)),
            Value::Mapping(map) => map.get_mut(*part),
            _ => None,
        };
        let Some(child) = child else { return false };
        parent = child;
    }
    let plugin = || Mapping::from_iter([("endpoint".into(), "localhost:1".into())]);
    let stand_in = match key {
        "name" => Some(format!("stand-in-{unique}").into()),
        "pattern" => Some("keyvalue".into()),
        "endpoint" => Some("localhost:1".into()),
        "plugin" => Some(Value::Mapping(plugin())),
        _ => None,
    };
    match (parent, stand_in) {
        (Value::Mapping(map), Some(stand_in)) => drop(map.insert(key.into(), stand_in)),
        (Value::Mapping(map), None) => return map.remove(key).is_some(),
        (Value::Sequence(list), _) => match key.parse::<usize>() {
            Ok(index) if index < list.len() => drop(list.remove(index)),
            _ => return false,
        },
        _ => return false,
    }
    true
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
        assert_eq!(detail("null"), "invalid type: null, expected a mapping with the key namespaces");
        for text in [
            "null",
            "5",
            "[]",
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
        assert!(error.detail.contains("nested too deep"), "{error:?}");
    }

    #[test]
    fn of_a_large_file_the_first_wrong_type_is_told() {
        let wrong = "  - {name: [], pattern: list, plugin: {endpoint: 'a:1'}}\n";
        let errors = |count: usize| {
            namespaces(format!("namespaces:\n{}", wrong.repeat(count)).as_bytes()).unwrap_err().len()
        };
        assert_eq!((errors(3), errors(RETRIED_BYTES_MAX / wrong.len() + 1)), (3, 1));
    }

    #[test]
    fn a_good_namespace_has_no_errors() {
        let good = "{name: a, pattern: keyvalue, plugin: {endpoint: 'a:1'}, timeout: 5s}";
        assert_eq!(namespace(&serde_yaml::from_str(good).unwrap()), Ok(()));
    }
}
