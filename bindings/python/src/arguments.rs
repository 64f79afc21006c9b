//! Arguments from Python: what they may be, and how they are read. A wrong type is a `TypeError` that names the
//! argument; a number too large for the wire is sent as the largest, for the server to judge.

use std::time::Duration;

use bytes::Bytes;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::failure;

/// Text that can be sent: any `str` without lone surrogates.
pub(crate) fn text(text: &Bound<'_, PyString>, name: &str) -> PyResult<String> {
    match text.to_str() {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => {
            Err(failure::argument(text.py(), &format!("{name} holds a lone surrogate, which UTF-8 cannot")))
        }
    }
}

/// The bytes of a bytes-like object, copied: it may change while the call is under way.
pub(crate) struct Value(pub(crate) Bytes);

impl<'py> FromPyObject<'_, 'py> for Value {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Self(Bytes::copy_from_slice(bytes.as_bytes())));
        }
        let wrong = || {
            let class = object.get_type();
            PyTypeError::new_err(format!(
                "a bytes-like object is required, not '{class}'",
                class = class.name().map_or_else(|_| "?".to_owned(), |name| name.to_string())
            ))
        };
        let buffer = PyBuffer::<u8>::get(&object).map_err(|_| wrong())?;
        Ok(Self(Bytes::from(buffer.to_vec(object.py())?)))
    }
}

/// An `int` as 64 bits.
pub(crate) struct Seconds(pub(crate) i64);

impl<'py> FromPyObject<'_, 'py> for Seconds {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        saturating(object, i64::MIN, i64::MAX).map(Self)
    }
}

/// An `int` as 32 bits.
pub(crate) struct Limit(pub(crate) i32);

impl<'py> FromPyObject<'_, 'py> for Limit {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        saturating(object, i32::MIN, i32::MAX).map(Self)
    }
}

fn saturating<'a, 'py, T>(object: Borrowed<'a, 'py, PyAny>, least: T, most: T) -> PyResult<T>
where
    T: FromPyObject<'a, 'py, Error = PyErr>,
{
    match object.extract::<T>() {
        Err(error) if error.is_instance_of::<PyOverflowError>(object.py()) => {
            Ok(if object.lt(0)? { least } else { most })
        }
        read => read,
    }
}

/// A time limit in seconds; infinite means as long as can be.
pub(crate) struct Timeout(pub(crate) f64);

impl<'py> FromPyObject<'_, 'py> for Timeout {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        object.extract().map(Self)
    }
}

impl Timeout {
    pub(crate) fn duration(&self, py: Python<'_>) -> PyResult<Duration> {
        if self.0.is_nan() || self.0 < 0.0 {
            return Err(failure::argument(py, "timeout must be 0 or more seconds"));
        }
        Ok(Duration::try_from_secs_f64(self.0).unwrap_or(Duration::MAX))
    }
}
