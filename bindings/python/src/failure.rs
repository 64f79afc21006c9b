//! From the client's errors to the exceptions of `prism.errors`: the only mapping, by kind and, within one, by reason.
//!
//! Here an error is only described. The exception's class is Python code, and is called by Python code.

use prism_client::{Error, ErrorKind, ErrorReason, Imported};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

pyo3::create_exception!(
    prism._native,
    Failure,
    PyException,
    "What `prism.errors` creates its exceptions from: its only argument, by name."
);

/// What a call was about, for its exception.
pub(crate) struct About {
    pub(crate) namespace: Py<PyString>,
    pub(crate) key: Option<Py<PyString>>,
    /// The keys of a batch.
    pub(crate) keys: Option<Py<PyList>>,
}

impl About {
    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self {
            namespace: self.namespace.clone_ref(py),
            key: self.key.as_ref().map(|key| key.clone_ref(py)),
            keys: self.keys.as_ref().map(|keys| keys.clone_ref(py)),
        }
    }
}

fn class(kind: ErrorKind, reason: Option<ErrorReason>) -> &'static str {
    match kind {
        ErrorKind::NotFound => match reason {
            Some(ErrorReason::LeaseEnded) => "LeaseEndedError",
            _ => "KeyNotFoundError",
        },
        ErrorKind::InvalidArgument => "InvalidArgumentError",
        ErrorKind::NamespaceNotFound => "NamespaceNotFoundError",
        ErrorKind::FailedPrecondition => "FailedPreconditionError",
        ErrorKind::Unavailable => "UnavailableError",
        ErrorKind::DeadlineExceeded => "DeadlineExceededError",
        ErrorKind::ResourceExhausted => "ResourceExhaustedError",
        ErrorKind::Unauthenticated => "UnauthenticatedError",
        ErrorKind::PermissionDenied => "PermissionDeniedError",
        ErrorKind::Unimplemented => "UnimplementedError",
        ErrorKind::OutOfRange => match reason {
            Some(ErrorReason::IndexOutOfRange) => "IndexOutOfRangeError",
            Some(ErrorReason::CounterOverflow) => "CounterOverflowError",
            _ => "OutOfRangeError",
        },
        ErrorKind::Aborted => "AbortedError",
        ErrorKind::Cancelled => "CallCancelledError",
        ErrorKind::Closed => "ClientClosedError",
        ErrorKind::Internal => "InternalError",
    }
}

/// What a failed call raises here: `Failure`, with the facts from which its exception is created.
pub(crate) fn raise(py: Python<'_>, error: &Error, about: &About) -> PyErr {
    facts_of(py, error, Some(about)).map_or_else(|broken| broken, failure)
}

/// The same for a client that cannot be created.
pub(crate) fn setting(py: Python<'_>, error: &Error) -> PyErr {
    facts_of(py, error, None).map_or_else(|broken| broken, failure)
}

/// The same for an argument that has the right type but cannot be sent.
pub(crate) fn argument(py: Python<'_>, name: &str, rule: &str) -> PyErr {
    let facts = facts(py, ErrorKind::InvalidArgument, "INVALID_ARGUMENT", &format!("{name} {rule}"));
    let facts = facts.and_then(|facts| facts.set_item("field", name).map(|()| facts));
    facts.map_or_else(|broken| broken, failure)
}

/// The same for a condition that is none, or several.
pub(crate) fn condition(py: Python<'_>, rule: &str) -> PyErr {
    let facts = facts(py, ErrorKind::InvalidArgument, "INVALID_ARGUMENT", &format!("the condition {rule}"));
    let facts = facts.and_then(|facts| {
        facts.set_item("field", "condition")?;
        facts.set_item("reason", ErrorReason::ConditionInvalid.as_str_name())?;
        Ok(facts)
    });
    facts.map_or_else(|broken| broken, failure)
}

/// The same for a batch of which items failed: the facts of the first failure, and for each item the key, whether it certainly
/// was not applied, and the facts of its failure, or None.
pub(crate) fn some(py: Python<'_>, errors: &[Option<Error>], about: &About) -> PyErr {
    facts_of_some(py, errors, about).map_or_else(|broken| broken, failure)
}

fn facts_of_some<'py>(
    py: Python<'py>,
    errors: &[Option<Error>],
    about: &About,
) -> PyResult<Bound<'py, PyDict>> {
    let (mut first, items) = (None, PyList::empty(py));
    for (index, error) in errors.iter().enumerate() {
        let key = about.keys.as_ref().map(|keys| keys.bind(py).get_item(index)).transpose()?;
        let Some(error) = error else {
            items.append((key, py.None(), py.None()))?;
            continue;
        };
        let facts = facts_of(py, error, Some(about))?;
        facts.set_item("key", &key)?;
        items.append((key, error.is_not_applied(), &facts))?;
        first.get_or_insert(facts);
    }
    let facts = match first {
        Some(facts) => facts.copy()?,
        None => PyDict::new(py),
    };
    facts.set_item("batch", items)?;
    Ok(facts)
}

/// The same for an import, with what was stored before: the number of items, and how many of them were skipped.
pub(crate) fn import(py: Python<'_>, error: &Error, imported: Imported, about: &About) -> PyErr {
    let facts = facts_of(py, error, Some(about));
    let facts = facts.and_then(|facts| with_imported(facts, imported));
    facts.map_or_else(|broken| broken, failure)
}

/// The same for an item that could not be sent. One of a wrong type is a `TypeError`, which has no room for what was stored.
pub(crate) fn refused_item(py: Python<'_>, refused: PyErr, imported: Imported, about: &About) -> PyErr {
    if !refused.is_instance_of::<Failure>(py) {
        return refused;
    }
    let facts = || -> PyResult<Bound<'_, PyDict>> {
        let arguments = refused.value(py).getattr("args")?;
        let facts = arguments.get_item(0)?.cast_into::<PyDict>()?;
        facts.set_item("namespace", &about.namespace)?;
        with_imported(facts, imported)
    };
    facts().map_or_else(|broken| broken, failure)
}

fn with_imported(facts: Bound<'_, PyDict>, imported: Imported) -> PyResult<Bound<'_, PyDict>> {
    facts.set_item("imported", (imported.items, imported.skipped))?;
    Ok(facts)
}

/// The same for a call that ended without an outcome.
pub(crate) fn lost(py: Python<'_>, about: &About) -> PyErr {
    let message = "the call ended without a result: a bug in the client";
    let facts = facts(py, ErrorKind::Internal, "INTERNAL", message);
    let facts = facts.and_then(|facts| facts.set_item("namespace", &about.namespace).map(|()| facts));
    facts.map_or_else(|broken| broken, failure)
}

fn facts_of<'py>(py: Python<'py>, error: &Error, about: Option<&About>) -> PyResult<Bound<'py, PyDict>> {
    let facts = facts(py, error.kind(), error.code_name(), &error.to_string())?;
    facts.set_item("error", class(error.kind(), error.reason()))?;
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
    Ok(facts)
}

fn facts<'py>(py: Python<'py>, kind: ErrorKind, code: &str, message: &str) -> PyResult<Bound<'py, PyDict>> {
    let facts = PyDict::new(py);
    facts.set_item("error", class(kind, None))?;
    facts.set_item("code", code)?;
    facts.set_item("message", message)?;
    Ok(facts)
}

fn failure(facts: Bound<'_, PyDict>) -> PyErr {
    Failure::new_err(facts.unbind())
}
