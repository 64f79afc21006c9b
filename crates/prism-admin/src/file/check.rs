//! Every mistake of a configuration, by the rules of the proxy and its drivers, with pointers into the file.

use std::collections::BTreeSet;

use prism_plugin::driver::Drivers;
use prism_proxy::config::{self, Backend, Config, FILE_BYTES_MAX, Mistake, Plugin};
use prism_proxy::endpoint::Endpoint;
use prism_proxy::route::{self, Named, named};
use serde_yaml::{Mapping, Value};

use super::yaml::{List, take};
use crate::error::FieldError;

/// The settings of namespaces and backends that are text.
const TEXTS: [&[&str]; 8] = [
    &["name"],
    &["pattern"],
    &["plugin", "endpoint"],
    &["plugin", "backend"],
    &["timeout"],
    &["embedded"],
    &["endpoint"],
    &["token_file"],
];

/// A configuration that breaks no rule, in its written form.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The file, with null instead of the list of namespaces.
    pub rest: Value,
    /// The namespaces.
    pub namespaces: Vec<Value>,
    /// The file as a proxy reads it.
    pub config: Config,
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
        (Ok(config), Ok(mut rest)) => {
            let namespaces = take(&mut rest, List::Namespaces);
            Ok(Checked { rest, namespaces, config })
        }
        (Err(error), _) => Err(told(error.every_mistake(bytes))),
        (Ok(_), Err(error)) => Err(vec![FieldError { pointer: String::new(), detail: error.to_string() }]),
    }
}

/// Checks a configuration by the rules of these drivers, too. Returns warnings with it.
///
/// # Errors
/// Every mistake, with pointers into the file.
pub fn whole(bytes: &[u8], drivers: &Drivers) -> Result<(Checked, Vec<String>), Vec<FieldError>> {
    let checked = file(bytes)?;
    let config = &checked.config;
    let plugins = config.namespaces.iter().map(|namespace| Some(&namespace.plugin));
    let mut mistakes = options(named(config), drivers);
    mistakes.extend(shared(config.backends.iter(), plugins, drivers));
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let warnings = unknown(named(&checked.config), drivers);
    Ok((checked, warnings))
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

/// Checks a single namespace of a file with this section `server`, whose backends have these names.
///
/// # Errors
/// Every mistake, with pointers into the namespace.
pub fn namespace<'a>(
    value: &Value,
    server: Option<&Value>,
    backends: impl IntoIterator<Item = &'a str>,
    drivers: &Drivers,
) -> Result<(), Vec<FieldError>> {
    // Where they are makes no difference to it.
    let stand_in = |name: &str| -> Value {
        Mapping::from_iter([("name".into(), name.into()), ("endpoint".into(), "localhost:1".into())]).into()
    };
    let backends: Vec<_> = backends.into_iter().map(stand_in).collect();
    item(List::Namespaces, value, server, backends, drivers).map(drop)
}

/// Checks a single backend, and returns it as a proxy reads it.
///
/// # Errors
/// Every mistake, with pointers into the backend.
pub fn backend(value: &Value, drivers: &Drivers) -> Result<Backend, Vec<FieldError>> {
    let config = item(List::Backends, value, None, Vec::new(), drivers)?;
    config
        .backends
        .into_iter()
        .next()
        .ok_or_else(|| vec![FieldError { pointer: String::new(), detail: "expected a backend".to_owned() }])
}

/// Checks an item as the only one of its list.
fn item(
    list: List,
    value: &Value,
    server: Option<&Value>,
    backends: Vec<Value>,
    drivers: &Drivers,
) -> Result<Config, Vec<FieldError>> {
    let mut file: Mapping = [(List::Backends, backends), (List::Namespaces, Vec::new())]
        .into_iter()
        .map(|(list, items)| (list.key().into(), Value::Sequence(items)))
        .collect();
    file.insert(list.key().into(), Value::Sequence(vec![value.clone()]));
    file.extend(server.map(|server| ("server".into(), server.clone())));
    let text = serde_yaml::to_string(&file);
    let text =
        text.map_err(|error| vec![FieldError { pointer: String::new(), detail: error.to_string() }])?;
    let prefix = format!("/{}/0", list.key());
    let within = |mut error: FieldError| {
        if let Some(rest) = error.pointer.strip_prefix(&prefix) {
            error.pointer = rest.to_owned();
        }
        error
    };
    let mut wrong = texts(value);
    let checked = whole(text.as_bytes(), drivers).map_err(|errors| errors.into_iter().map(within).collect());
    match checked {
        Ok((checked, _)) if wrong.is_empty() => Ok(checked.config),
        Ok(_) => Err(wrong),
        Err(errors) => {
            let errors: Vec<FieldError> = errors;
            let is_new = |error: &FieldError| wrong.iter().all(|known| known.pointer != error.pointer);
            let more: Vec<_> = errors.into_iter().filter(is_new).collect();
            wrong.extend(more);
            Err(wrong)
        }
    }
}

/// Settings that are numbers or booleans where text is expected: a file may have `name: 5` and mean the text, but in JSON
/// it is another value.
fn texts(value: &Value) -> Vec<FieldError> {
    let wrong = |path: &&[&str]| {
        let found = path.iter().try_fold(value, |value, key| value.get(key));
        matches!(found, Some(Value::Bool(_) | Value::Number(_)))
    };
    let told = |path: &[&str]| FieldError {
        pointer: path.iter().map(|key| format!("/{key}")).collect(),
        detail: "expected text".to_owned(),
    };
    TEXTS.into_iter().filter(wrong).map(told).collect()
}

/// What the drivers find wrong in what a file says of them, with pointers into the file. A driver that is not among
/// these finds nothing.
pub fn options<'a>(named: impl Iterator<Item = Named<'a>>, drivers: &Drivers) -> Vec<FieldError> {
    let wrong = |named: Named<'a>| {
        let mistakes = named.mistakes(drivers).unwrap_or_default();
        if mistakes.is_empty() { unreadable(&named, drivers).into_iter().collect() } else { mistakes }
    };
    told(named.flat_map(wrong).collect())
}

/// Namespaces that share a backend which cannot keep them apart, with pointers into the file.
pub fn shared<'a>(
    backends: impl Iterator<Item = &'a Backend>,
    plugins: impl Iterator<Item = Option<&'a Plugin>>,
    drivers: &Drivers,
) -> Vec<FieldError> {
    told(route::shared(backends, plugins, drivers))
}

/// Addresses in options that are in no form that [`super::policy`] can judge.
fn unreadable(named: &Named<'_>, drivers: &Drivers) -> Option<Mistake> {
    let addresses = drivers.get(named.driver)?.endpoints(named.options?);
    let is_readable = |address: &String| matches!(address.parse(), Ok(Endpoint::Tcp(_) | Endpoint::Unix(_)));
    let why = "one of its addresses cannot be read; expected a host and a port, or the path of a socket";
    let field = format!("{}.options", named.field);
    (!addresses.iter().all(is_readable)).then(|| Mistake { field, why: why.to_owned(), line: None })
}

/// A sentence for each driver in a file that is not among these: the proxies may have it.
pub fn unknown<'a>(named: impl Iterator<Item = Named<'a>>, drivers: &Drivers) -> Vec<String> {
    let unknown: BTreeSet<_> =
        named.map(|named| named.driver).filter(|name| !drivers.contains_key(name)).collect();
    let sentence = |name: &str| {
        format!(
            "the driver {name:?} is not in this program, so its options are not checked here; a proxy that lacks it, too, \
             refuses the file"
        )
    };
    unknown.into_iter().map(sentence).collect()
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
#[path = "check_tests.rs"]
mod tests;
