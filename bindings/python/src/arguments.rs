//! Conversion of arguments from Python. A wrong type is a `TypeError` that names the argument. A limit or a time to live too
//! large for the wire is sent as the largest possible, for the server to judge; any other number too large is refused.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use prism_client::{Condition, End};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyList, PyMapping, PyString};

use crate::failure;

/// An argument that is not `None`.
pub(crate) fn given<'a, 'py>(object: &'a Bound<'py, PyAny>) -> Option<&'a Bound<'py, PyAny>> {
    Some(object).filter(|object| !object.is_none())
}

/// A `str` argument.
pub(crate) fn string<'a, 'py>(
    object: &'a Bound<'py, PyAny>,
    name: &str,
) -> PyResult<&'a Bound<'py, PyString>> {
    object.cast().map_err(|_| wrong(object, name, "str"))
}

/// The text of a `str` argument: anything except lone surrogates can be sent.
pub(crate) fn text(object: &Bound<'_, PyAny>, name: &str) -> PyResult<String> {
    match string(object, name)?.to_str() {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(failure::argument(object.py(), name, "must not contain lone surrogates")),
    }
}

/// A `str` or path-like argument.
pub(crate) fn path(object: &Bound<'_, PyAny>, name: &str) -> PyResult<PathBuf> {
    object.extract().map_err(|_| wrong(object, name, "str or path-like"))
}

/// The names and values of an optional mapping of `str` to `str`.
pub(crate) fn metadata(object: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<(String, String)>> {
    let Some(object) = object else { return Ok(Vec::new()) };
    let mapping: &Bound<'_, PyMapping> = object.cast().map_err(|_| wrong(object, "metadata", "a mapping"))?;
    let pair = |pair: Bound<'_, PyAny>| {
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract()?;
        Ok((text(&name, "a name in metadata")?, text(&value, "a value in metadata")?))
    };
    mapping.items()?.iter().map(pair).collect()
}

/// The bytes of a bytes-like argument, copied: it may change while the call is in flight.
pub(crate) fn bytes(object: &Bound<'_, PyAny>, name: &str) -> PyResult<Bytes> {
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return Ok(Bytes::copy_from_slice(bytes.as_bytes()));
    }
    let buffer = PyBuffer::<u8>::get(object).map_err(|_| wrong(object, name, "bytes-like"))?;
    Ok(Bytes::from(buffer.to_vec(object.py())?))
}

/// A `list` argument.
pub(crate) fn list<'a, 'py>(object: &'a Bound<'py, PyAny>, name: &str) -> PyResult<&'a Bound<'py, PyList>> {
    object.cast().map_err(|_| wrong(object, name, "list"))
}

/// The texts of a list.
pub(crate) fn texts(object: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<String>> {
    list(object, "keys")?.iter().map(|item| text(&item, name)).collect()
}

/// The bytes of each bytes-like item of a list, copied.
pub(crate) fn values(object: &Bound<'_, PyAny>) -> PyResult<Vec<Bytes>> {
    list(object, "values")?.iter().map(|item| bytes(&item, "a value")).collect()
}

/// An optional time to live, in seconds that need not be whole, as milliseconds, rounded up.
pub(crate) fn ttl_millis(object: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    const NAME: &str = "ttl_seconds";
    let Some(object) = given(object) else { return Ok(None) };
    if object.is_instance_of::<PyInt>() {
        return Ok(Some(saturating(object, NAME, i64::MIN, i64::MAX)?.saturating_mul(1000)));
    }
    let seconds: f64 = object.extract().map_err(|_| wrong(object, NAME, "int or float"))?;
    if seconds.is_nan() {
        return Err(failure::argument(object.py(), NAME, "must be a number"));
    }
    // What binary fractions add is not a millisecond. Beyond 64 bits, the conversion saturates.
    Ok(Some(((seconds * 1e6).round() / 1e3).ceil() as i64))
}

/// A time to live that must be given.
pub(crate) fn required_ttl_millis(object: &Bound<'_, PyAny>) -> PyResult<i64> {
    ttl_millis(object)?.ok_or_else(|| wrong(object, "ttl_seconds", "int or float"))
}

/// An `int` as 32 bits.
pub(crate) fn limit(object: &Bound<'_, PyAny>) -> PyResult<i32> {
    saturating(object, "limit", i32::MIN, i32::MAX)
}

/// An `int` that must fit into 64 bits.
pub(crate) fn number(object: &Bound<'_, PyAny>, name: &str) -> PyResult<i64> {
    match object.extract() {
        Ok(number) => Ok(number),
        Err(error) if error.is_instance_of::<PyOverflowError>(object.py()) => {
            Err(failure::argument(object.py(), name, "must fit into 64 bits"))
        }
        Err(_) => Err(wrong(object, name, "int")),
    }
}

/// An `int` that counts something.
pub(crate) fn count<T: TryFrom<i64>>(object: &Bound<'_, PyAny>, name: &str) -> PyResult<T> {
    let out_of_range = |_| failure::argument(object.py(), name, "is out of range");
    T::try_from(number(object, name)?).map_err(out_of_range)
}

/// A `bool`.
pub(crate) fn truth(object: &Bound<'_, PyAny>, name: &str) -> PyResult<bool> {
    object.extract().map_err(|_| wrong(object, name, "bool"))
}

/// `"left"` or `"right"`.
pub(crate) fn end(object: &Bound<'_, PyAny>) -> PyResult<End> {
    match text(object, "end")?.as_str() {
        "left" => Ok(End::Left),
        "right" => Ok(End::Right),
        _ => Err(failure::argument(object.py(), "end", "must be \"left\" or \"right\"")),
    }
}

/// How often a value is delivered, and the list that takes it then: both, or neither.
pub(crate) fn redelivery(
    max_deliveries: &Bound<'_, PyAny>,
    dead_letter: &Bound<'_, PyAny>,
) -> PyResult<Option<(u32, String)>> {
    match (given(max_deliveries), given(dead_letter)) {
        (Some(max), Some(list)) => Ok(Some((count(max, "max_deliveries")?, text(list, "dead_letter")?))),
        (None, None) => Ok(None),
        (Some(_), None) => {
            Err(failure::argument(max_deliveries.py(), "dead_letter", "must be given with max_deliveries"))
        }
        (None, Some(_)) => {
            Err(failure::argument(max_deliveries.py(), "max_deliveries", "must be given with dead_letter"))
        }
    }
}

/// The one condition that is given.
pub(crate) fn condition(
    absent: &Bound<'_, PyAny>,
    present: &Bound<'_, PyAny>,
    equals: &Bound<'_, PyAny>,
    equals_sha256: &Bound<'_, PyAny>,
    differs: &Bound<'_, PyAny>,
) -> PyResult<Condition> {
    let mut conditions = Vec::new();
    conditions.extend(truth(absent, "absent")?.then_some(Condition::Absent));
    conditions.extend(truth(present, "present")?.then_some(Condition::Present));
    let value = |value, name| given(value).map(|value| bytes(value, name)).transpose();
    conditions.extend(value(equals, "equals")?.map(Condition::Equals));
    conditions.extend(value(equals_sha256, "equals_sha256")?.map(Condition::EqualsSha256));
    conditions.extend(value(differs, "differs")?.map(Condition::Differs));
    let only = conditions.pop().filter(|_| conditions.is_empty());
    only.ok_or_else(|| {
        let rule = "must be exactly one of absent, present, equals, equals_sha256 and differs";
        failure::condition(absent.py(), rule)
    })
}

/// An optional timeout in seconds; infinity means the maximum.
pub(crate) fn timeout(object: &Bound<'_, PyAny>) -> PyResult<Option<Duration>> {
    given(object).map(|object| duration(object, "timeout")).transpose()
}

/// A duration in seconds; infinity means the maximum.
pub(crate) fn duration(object: &Bound<'_, PyAny>, name: &str) -> PyResult<Duration> {
    let seconds: f64 = object.extract().map_err(|_| wrong(object, name, "float or None"))?;
    if seconds.is_nan() || seconds < 0.0 {
        return Err(failure::argument(object.py(), name, "must be 0 or more seconds"));
    }
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

fn saturating<'a, 'py, T>(object: &'a Bound<'py, PyAny>, name: &str, least: T, most: T) -> PyResult<T>
where
    T: FromPyObject<'a, 'py, Error = PyErr>,
{
    match object.extract::<T>() {
        Ok(number) => Ok(number),
        Err(error) if error.is_instance_of::<PyOverflowError>(object.py()) => {
            Ok(if object.lt(0)? { least } else { most })
        }
        Err(_) => Err(wrong(object, name, "int")),
    }
}

fn wrong(object: &Bound<'_, PyAny>, name: &str, expected: &str) -> PyErr {
    let class = object.get_type();
    match class.name() {
        Ok(class) => PyTypeError::new_err(format!("{name} must be {expected}, not {class}")),
        Err(error) => error,
    }
}
