//! Answers of the servers as the types that a command has.

use bytes::Bytes;
use redis::Value;

use crate::fault::Fault;

/// A value; `None` if there is none.
pub(crate) fn value(answer: Value) -> Result<Option<Bytes>, Fault> {
    match answer {
        Value::Nil => Ok(None),
        Value::BulkString(value) => Ok(Some(Bytes::from(value))),
        _ => Err(Fault::Unexpected),
    }
}

/// A number, at least 0.
pub(crate) fn number(answer: &Value) -> Result<u64, Fault> {
    match answer {
        Value::Int(number) => u64::try_from(*number).map_err(|_| Fault::Unexpected),
        _ => Err(Fault::Unexpected),
    }
}

/// An acknowledgement.
pub(crate) fn okay(answer: &Value) -> Result<(), Fault> {
    match answer {
        Value::Okay => Ok(()),
        _ => Err(Fault::Unexpected),
    }
}

/// The elements of an array.
pub(crate) fn array(answer: Value) -> Result<Vec<Value>, Fault> {
    match answer {
        Value::Array(items) => Ok(items),
        _ => Err(Fault::Unexpected),
    }
}

/// Text, in whichever of RESP's types.
pub(crate) fn text(answer: &Value) -> Option<&str> {
    match answer {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

/// A field of `INFO`: `name:value`, one a line.
pub(crate) fn info_field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// A field of a map.
pub(crate) fn map_field<'a>(answer: &'a Value, name: &str) -> Option<&'a str> {
    let Value::Map(fields) = answer else { return None };
    fields.iter().find(|(field, _)| text(field) == Some(name)).and_then(|(_, value)| text(value))
}
