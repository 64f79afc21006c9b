//! Every mistake of a file. Deserializing stops at the first wrong type; here that field is neutralized and the rest is
//! checked, so that one response lists all mistakes.

use serde_yaml::{Mapping, Value};

use super::{Config, ConfigError, MERGE, Mistake, text};

/// The maximum number of wrong types that are reported.
const TYPES_MAX: usize = 50;

/// In a larger file only the first wrong type is reported: finding each further one means parsing it all again.
const RETRIED_BYTES_MAX: usize = 256 << 10;

impl ConfigError {
    /// The mistakes of a file whose bytes failed with this error, including those beyond the first wrong type.
    #[must_use]
    pub fn every_mistake(&self, bytes: &[u8]) -> Vec<Mistake> {
        if !matches!(self, Self::Parse { .. }) || bytes.len() > RETRIED_BYTES_MAX {
            return self.mistakes();
        }
        // A text that is not safe to give to a parser is not parsed here either.
        let value = text("", bytes).ok().and_then(|text| serde_yaml::from_str(text).ok());
        value.map_or_else(|| self.mistakes(), |value| every(value, self))
    }
}

fn every(mut value: Value, first: &ConfigError) -> Vec<Mistake> {
    let mut mistakes = first.mistakes();
    let mut pattern_stood_in = false;
    while let Some(Mistake { field, .. }) = mistakes.last().filter(|_| mistakes.len() < TYPES_MAX) {
        pattern_stood_in |= field.ends_with(".pattern");
        if !put_right(&mut value, field, mistakes.len()) {
            break;
        }
        let text = serde_yaml::to_string(&value).unwrap_or_default();
        let Err(error) = Config::parse("", text.as_bytes()) else { break };
        // The line numbers belong to another text.
        let found = error.mistakes().into_iter().map(|mistake| Mistake { line: None, ..mistake });
        if matches!(error, ConfigError::Invalid { .. }) {
            // Which interfaces a namespace must have depends on its pattern, which is not known in this case.
            mistakes.extend(found.filter(|rule| !(pattern_stood_in && rule.field.ends_with(".interfaces"))));
            break;
        }
        mistakes.extend(found);
    }
    mistakes
}

/// Neutralizes a field of the wrong type: removes it or, if it is required, gives it a value that breaks no rule.
/// Returns whether that was possible.
fn put_right(value: &mut Value, field: &str, unique: usize) -> bool {
    let mut parts: Vec<_> = field
        .split(['.', '['])
        .map(|part| part.trim_end_matches(']'))
        .filter(|part| !part.is_empty())
        .collect();
    // The list as a whole: without the wrong entry it could be empty, which breaks another rule.
    if let Some(list) = parts.iter().position(|part| matches!(*part, "access" | "operators")) {
        parts.truncate(list + 1);
    }
    let Some((key, parents)) = parts.split_last() else { return false };
    if *key == MERGE {
        return value.apply_merge().is_ok();
    }
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
    if *key == "backend" && parents.last() == Some(&"plugin") {
        // An endpoint stands in, because it is valid whatever backends there are.
        if let Value::Mapping(map) = parent {
            map.remove("backend");
            map.insert("endpoint".into(), "localhost:1".into());
            return true;
        }
    }
    let plugin = || Mapping::from_iter([("endpoint".into(), "localhost:1".into())]);
    let jwt =
        || Mapping::from_iter(["jwks_file", "issuer", "audience"].map(|key| (key.into(), "stand-in".into())));
    let stand_in = match *key {
        // Names of callers depend on which sources are enabled.
        "jwt" => Some(Value::Mapping(jwt())),
        "jwks_file" | "issuer" | "audience" => Some("stand-in".into()),
        "token_file" if parents == ["server"] => Some("stand-in".into()),
        "name" => Some(format!("stand-in-{unique}").into()),
        "pattern" => Some("keyvalue".into()),
        "endpoint" => Some("localhost:1".into()),
        "embedded" => Some("memstore".into()),
        "plugin" => Some(Value::Mapping(plugin())),
        _ => None,
    };
    match (parent, stand_in) {
        (Value::Mapping(map), Some(stand_in)) => drop(map.insert((*key).into(), stand_in)),
        (Value::Mapping(map), None) => return map.remove(*key).is_some(),
        (Value::Sequence(list), _) => match key.parse::<usize>() {
            Ok(index) if index < list.len() => drop(list.remove(index)),
            _ => return false,
        },
        _ => return false,
    }
    true
}
