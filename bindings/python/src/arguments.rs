//! Conversion of arguments from Python. A wrong type is a `TypeError` that names the argument; a number too large for
//! the wire is sent as the largest possible, for the server to judge.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMapping, PyString};

use crate::failure;

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

/// The bytes of a bytes-like `value`, copied: it may change while the call is in flight.
pub(crate) fn value(object: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    bytes(object, "value")
}

/// The bytes of a bytes-like argument, copied.
pub(crate) fn bytes(object: &Bound<'_, PyAny>, name: &str) -> PyResult<Bytes> {
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return Ok(Bytes::copy_from_slice(bytes.as_bytes()));
    }
    let buffer = PyBuffer::<u8>::get(object).map_err(|_| wrong(object, name, "bytes-like"))?;
    Ok(Bytes::from(buffer.to_vec(object.py())?))
}

/// An optional `int` as 64 bits.
pub(crate) fn seconds(object: Option<&Bound<'_, PyAny>>, name: &str) -> PyResult<Option<i64>> {
    object.map(|object| saturating(object, name, i64::MIN, i64::MAX)).transpose()
}

/// An `int` as 32 bits.
pub(crate) fn limit(object: &Bound<'_, PyAny>) -> PyResult<i32> {
    saturating(object, "limit", i32::MIN, i32::MAX)
}

/// An optional timeout in seconds; infinity means the maximum.
pub(crate) fn timeout(object: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Duration>> {
    let Some(object) = object else { return Ok(None) };
    let seconds: f64 = object.extract().map_err(|_| wrong(object, "timeout", "float or None"))?;
    if seconds.is_nan() || seconds < 0.0 {
        return Err(failure::argument(object.py(), "timeout", "must be 0 or more seconds"));
    }
    Ok(Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)))
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
