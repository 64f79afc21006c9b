//! How a call ended, and the corresponding Python object.

use std::time::Duration;

use bytes::Bytes;
use prism_client::{
    Capabilities, Changed, Durability, DurabilityLevel, Error, Imported, Lease, Pushed, Usage,
};
use pyo3::IntoPyObjectExt as _;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::failure::{self, About};

/// How a call ended.
pub(crate) enum Outcome {
    Done,
    Bool(bool),
    Int(u64),
    Number(i64),
    Value(Bytes),
    ValueOrNone(Option<Bytes>),
    Values(Vec<Bytes>),
    /// In seconds; `None` for no time to live.
    TimeLeft(Option<Duration>),
    Changed(Changed),
    /// `None` if there was nothing to reserve.
    Reserved(Option<Lease>),
    Capabilities(Capabilities),
    Usage(Usage),
    Imported(Imported),
    /// With what was stored before.
    ImportFailed(Error, Imported),
    /// An item could not be sent; with what was stored before.
    ImportRefused(PyErr, Imported),
    /// The outcomes of the items of a batch.
    Items(Vec<Outcome>),
    /// At least one item of a batch failed.
    SomeFailed(Vec<Option<Error>>),
    Failed(Error),
    /// The work ended without an outcome: a bug.
    Lost,
}

impl Outcome {
    /// The outcome of a call.
    pub(crate) fn of<T: Into<Self>>(result: Result<T, Error>) -> Self {
        result.map_or_else(Self::Failed, Into::into)
    }

    /// The object that the call returns, or the exception that it raises.
    pub(crate) fn into_python<'py>(self, py: Python<'py>, about: &About) -> PyResult<Bound<'py, PyAny>> {
        Ok(match self {
            Self::Done | Self::ValueOrNone(None) | Self::TimeLeft(None) => py.None().into_bound(py),
            Self::Bool(answer) => answer.into_pyobject(py)?.to_owned().into_any(),
            Self::Int(number) => number.into_pyobject(py)?.into_any(),
            Self::Number(number) => number.into_pyobject(py)?.into_any(),
            Self::Value(value) | Self::ValueOrNone(Some(value)) => PyBytes::new(py, &value).into_any(),
            Self::Values(values) => {
                PyList::new(py, values.iter().map(|value| PyBytes::new(py, value)))?.into_any()
            }
            Self::TimeLeft(Some(left)) => left.as_secs_f64().into_bound_py_any(py)?,
            Self::Changed(Changed { applied, current }) => {
                let current = current.map(|value| PyBytes::new(py, &value));
                (applied, current).into_bound_py_any(py)?
            }
            Self::Reserved(None) => (PyBytes::new(py, b""), PyList::empty(py)).into_bound_py_any(py)?,
            Self::Reserved(Some(lease)) => {
                let values = lease.values().iter();
                let values = values.map(|reserved| (PyBytes::new(py, &reserved.value), reserved.deliveries));
                (PyBytes::new(py, lease.token()), PyList::new(py, values)?).into_bound_py_any(py)?
            }
            Self::Capabilities(capabilities) => promises(py, &capabilities)?.into_any(),
            Self::Usage(usage) => held(py, &usage)?.into_any(),
            Self::Imported(Imported { items, skipped }) => (items, skipped).into_bound_py_any(py)?,
            Self::ImportFailed(error, imported) => {
                return Err(failure::import(py, &error, imported, about));
            }
            Self::ImportRefused(refused, imported) => {
                return Err(failure::refused_item(py, refused, imported, about));
            }
            Self::Items(items) => {
                let list = PyList::empty(py);
                for item in items {
                    list.append(item.into_python(py, about)?)?;
                }
                list.into_any()
            }
            Self::SomeFailed(errors) => return Err(failure::some(py, &errors, about)),
            Self::Failed(error) => return Err(failure::raise(py, &error, about)),
            Self::Lost => return Err(failure::lost(py, about)),
        })
    }
}

/// The arguments of `prism.Capabilities`, by name. Names every field, so that a new one is not forgotten.
fn promises<'py>(py: Python<'py>, capabilities: &Capabilities) -> PyResult<Bound<'py, PyDict>> {
    let Capabilities {
        ordered,
        scan_exactly_once,
        exact_count,
        linearizable,
        in_memory,
        resumable,
        evicts,
        durability,
        idempotent_retries,
    } = capabilities;
    let facts = PyDict::new(py);
    for (name, is_declared) in [
        ("ordered", ordered),
        ("scan_exactly_once", scan_exactly_once),
        ("exact_count", exact_count),
        ("linearizable", linearizable),
        ("in_memory", in_memory),
        ("resumable", resumable),
        ("evicts", evicts),
        ("idempotent_retries", idempotent_retries),
    ] {
        facts.set_item(name, is_declared)?;
    }
    let durability = durability.as_ref().and_then(survives);
    facts.set_item("durability", durability)?;
    Ok(facts)
}

/// The level of what an acknowledged write survives, with the period in seconds and the number of replicas where it has them;
/// `None` for a level that this version does not know.
fn survives(durability: &Durability) -> Option<(&'static str, Option<f64>, Option<i32>)> {
    let period = Duration::from_millis(durability.period_millis.max(0).unsigned_abs());
    Some(match durability.level() {
        DurabilityLevel::Unspecified => return None,
        DurabilityLevel::None => ("none", None, None),
        DurabilityLevel::Periodic => ("periodic", Some(period.as_secs_f64()), None),
        DurabilityLevel::EveryWrite => ("every_write", None, None),
        DurabilityLevel::Replicated => ("replicated", None, Some(durability.replicas)),
    })
}

/// The arguments of `prism.Usage`, by name.
fn held<'py>(py: Python<'py>, usage: &Usage) -> PyResult<Bound<'py, PyDict>> {
    let Usage { keys, lists, backend_bytes, backend_bytes_max } = usage;
    let facts = PyDict::new(py);
    facts.set_item("keys", keys)?;
    facts.set_item("lists", lists)?;
    facts.set_item("backend_bytes", backend_bytes)?;
    facts.set_item("backend_bytes_max", backend_bytes_max)?;
    Ok(facts)
}

/// The outcome of a batch: the results of its items, or the errors of those that failed.
pub(crate) fn items<T: Into<Outcome>>(results: Vec<Result<T, Error>>) -> Outcome {
    match results.iter().any(Result::is_err) {
        true => Outcome::SomeFailed(results.into_iter().map(Result::err).collect()),
        false => Outcome::Items(results.into_iter().map(Outcome::of).collect()),
    }
}

macro_rules! from {
    ($($from:ty: $name:ident),+ $(,)?) => {$(
        impl From<$from> for Outcome {
            fn from(result: $from) -> Self {
                Self::$name(result)
            }
        }
    )+};
}

from!(
    bool: Bool,
    u64: Int,
    i64: Number,
    Bytes: Value,
    Option<Bytes>: ValueOrNone,
    Vec<Bytes>: Values,
    Option<Duration>: TimeLeft,
    Changed: Changed,
    Option<Lease>: Reserved,
    Capabilities: Capabilities,
    Usage: Usage,
);

impl From<()> for Outcome {
    fn from((): ()) -> Self {
        Self::Done
    }
}

impl From<Pushed> for Outcome {
    fn from(pushed: Pushed) -> Self {
        Self::Int(pushed.new_length)
    }
}
