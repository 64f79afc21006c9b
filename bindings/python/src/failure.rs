//! From the client's errors to the exceptions of `prism.errors`: the one mapping, by kind.

use prism_client::{Error, ErrorKind};
use pyo3::exceptions::PyException;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

/// What a call was about, for its exception.
pub(crate) struct About {
    pub(crate) namespace: Py<PyString>,
    pub(crate) key: Option<Py<PyString>>,
}

impl About {
    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.namespace)?;
        visit.call(&self.key)
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self { namespace: self.namespace.clone_ref(py), key: self.key.as_ref().map(|key| key.clone_ref(py)) }
    }
}

fn class(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "KeyNotFoundError",
        ErrorKind::InvalidArgument => "InvalidArgumentError",
        ErrorKind::NamespaceNotFound => "NamespaceNotFoundError",
        ErrorKind::FailedPrecondition => "FailedPreconditionError",
        ErrorKind::Unavailable => "UnavailableError",
        ErrorKind::DeadlineExceeded => "DeadlineExceededError",
        ErrorKind::ResourceExhausted => "ResourceExhaustedError",
        ErrorKind::Unauthenticated => "UnauthenticatedError",
        ErrorKind::PermissionDenied => "PermissionDeniedError",
        ErrorKind::Unimplemented => "UnimplementedError",
        ErrorKind::Cancelled => "CallCancelledError",
        ErrorKind::Closed => "ClientClosedError",
        ErrorKind::Internal => "InternalError",
    }
}

/// The exception for a failed call.
pub(crate) fn raise(py: Python<'_>, error: &Error, about: &About) -> PyErr {
    build(py, error, Some(about)).unwrap_or_else(|broken| broken)
}

/// The exception for a client that cannot be made.
pub(crate) fn setting(py: Python<'_>, error: &Error) -> PyErr {
    build(py, error, None).unwrap_or_else(|broken| broken)
}

/// The exception for an argument that has the right type but cannot be sent.
pub(crate) fn argument(py: Python<'_>, message: &str) -> PyErr {
    make(py, "InvalidArgumentError", message, &PyDict::new(py)).unwrap_or_else(|broken| broken)
}

/// The exception for a call that ended without an outcome.
pub(crate) fn lost(py: Python<'_>, about: &About) -> PyErr {
    let facts = PyDict::new(py);
    let made = facts.set_item("namespace", &about.namespace).and_then(|()| {
        make(py, "InternalError", "the call ended without an answer: a bug of the client", &facts)
    });
    made.unwrap_or_else(|broken| broken)
}

/// The exception object itself.
pub(crate) fn value(py: Python<'_>, error: PyErr) -> Bound<'_, PyAny> {
    error.into_value(py).into_bound(py).into_any()
}

fn build(py: Python<'_>, error: &Error, about: Option<&About>) -> PyResult<PyErr> {
    let facts = PyDict::new(py);
    facts.set_item("code", error.code_name())?;
    facts.set_item("reason", error.reason().map(|reason| reason.as_str_name()))?;
    facts.set_item("operation", error.operation())?;
    facts.set_item("retryable", error.is_retryable())?;
    facts.set_item("field", error.field())?;
    facts.set_item("limit", error.limit())?;
    facts.set_item("size", error.size())?;
    if let Some(about) = about {
        facts.set_item("namespace", &about.namespace)?;
        facts.set_item("key", &about.key)?;
    }
    make(py, class(error.kind()), &error.to_string(), &facts)
}

fn make(py: Python<'_>, class: &str, message: &str, facts: &Bound<'_, PyDict>) -> PyResult<PyErr> {
    let class = py.import("prism.errors")?.getattr(class)?;
    let exception = class.call((message,), Some(facts))?;
    Ok(PyErr::from_value(exception.cast_into::<PyException>()?.into_any()))
}
