//! Answers of the servers as the types that a command has.

use std::time::Duration;

use bytes::Bytes;
use prism_plugin::keyvalue::ValueAndTtl;

use crate::fault::Fault;
use crate::resp::Value;

/// A value; `None` if there is none.
pub(crate) fn value(answer: Value) -> Result<Option<Bytes>, Fault> {
    match answer {
        Value::Nil => Ok(None),
        Value::BulkString(value) => Ok(Some(value)),
        _ => Err(Fault::Unexpected),
    }
}

/// Whether a script has moved values out of the way, and is to be run again.
pub(crate) fn is_again(answer: &Value) -> bool {
    matches!(answer, Value::SimpleString(word) if &**word == "AGAIN")
}

/// Whether a call has, on record, found nothing.
pub(crate) fn is_nothing(answer: &Value) -> bool {
    matches!(answer, Value::SimpleString(word) if &**word == "NOTHING")
}

/// Values.
pub(crate) fn values(answer: Value) -> Result<Vec<Bytes>, Fault> {
    array(answer)?.into_iter().map(|item| value(item)?.ok_or(Fault::Unexpected)).collect()
}

/// What a key has left to live, `Some(None)` if it does not expire; `None` if there is no key.
pub(crate) fn ttl_left(answer: &Value) -> Result<Option<Option<Duration>>, Fault> {
    match answer {
        Value::Int(-2) => Ok(None),
        Value::Int(-1) => Ok(Some(None)),
        answer => Ok(Some(Some(Duration::from_millis(number(answer)?)))),
    }
}

/// A value and what it has left to live; `None` if there is none.
pub(crate) fn value_and_ttl(answer: Value) -> Result<Option<ValueAndTtl>, Fault> {
    if answer == Value::Nil {
        return Ok(None);
    }
    let [read, left] = parts(answer)?;
    let left = ttl_left(&left)?.ok_or(Fault::Unexpected)?;
    Ok(Some((value(read)?.ok_or(Fault::Unexpected)?, left)))
}

/// The elements of an array that has so many.
pub(crate) fn parts<const N: usize>(answer: Value) -> Result<[Value; N], Fault> {
    <[Value; N]>::try_from(array(answer)?).map_err(|_| Fault::Unexpected)
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
        Value::SimpleString(text) => Some(text),
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
