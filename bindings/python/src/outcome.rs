//! How a call ended, and the corresponding Python object.

use bytes::Bytes;
use prism_client::Error;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::failure::{self, About};

/// How a call ended.
pub(crate) enum Outcome {
    Done,
    Bool(bool),
    Int(u64),
    Value(Bytes),
    ValueOrNone(Option<Bytes>),
    Failed(Error),
    /// The work ended without an outcome: a bug.
    Lost,
}

impl Outcome {
    /// The object that the call returns, or the exception that it raises.
    pub(crate) fn into_python<'py>(self, py: Python<'py>, about: &About) -> PyResult<Bound<'py, PyAny>> {
        Ok(match self {
            Self::Done | Self::ValueOrNone(None) => py.None().into_bound(py),
            Self::Bool(answer) => answer.into_pyobject(py)?.to_owned().into_any(),
            Self::Int(number) => number.into_pyobject(py)?.into_any(),
            Self::Value(value) | Self::ValueOrNone(Some(value)) => PyBytes::new(py, &value).into_any(),
            Self::Failed(error) => return Err(failure::raise(py, &error, about)),
            Self::Lost => return Err(failure::lost(py, about)),
        })
    }
}

impl From<Result<Outcome, Error>> for Outcome {
    fn from(result: Result<Outcome, Error>) -> Self {
        result.unwrap_or_else(Self::Failed)
    }
}

impl From<()> for Outcome {
    fn from((): ()) -> Self {
        Self::Done
    }
}

impl From<bool> for Outcome {
    fn from(answer: bool) -> Self {
        Self::Bool(answer)
    }
}

impl From<u64> for Outcome {
    fn from(number: u64) -> Self {
        Self::Int(number)
    }
}

impl From<Bytes> for Outcome {
    fn from(value: Bytes) -> Self {
        Self::Value(value)
    }
}

impl From<Option<Bytes>> for Outcome {
    fn from(value: Option<Bytes>) -> Self {
        Self::ValueOrNone(value)
    }
}
