//! The class `Import`: items for an import, many at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prism_client::{Error, ErrorReason, Exported, Item};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use tokio::sync::Mutex as AsyncMutex;

use crate::arguments::{self, bytes, count, duration, given, list, number, text, truth};
use crate::client::Argument;
use crate::completions::Completions;
use crate::failure::About;
use crate::outcome::Outcome;
use crate::run::run;
use crate::runtime::Local;

/// An import. Dropping it resets its stream.
#[pyclass(frozen, module = "prism._native")]
pub(crate) struct Import {
    about: About,
    open: Mutex<Option<Local<Arc<AsyncMutex<prism_client::Import>>>>>,
}

/// What an import is to do.
enum Step {
    Send(Vec<Exported>),
    /// Sends what came before an item that this client refuses, and waits until it is stored.
    SendLast(Vec<Exported>, PyErr),
    Finish,
}

#[pymethods]
impl Import {
    /// Gives it items, and returns once they are on their way.
    fn send<'py>(
        &self,
        py: Python<'py>,
        completions: Option<&Bound<'py, Completions>>,
        items: &Bound<'_, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut taken = Vec::new();
        for item in list(items, "items")?.iter() {
            match exported(&item) {
                Ok(item) => taken.push(item),
                Err(refused) => return self.make(py, completions, Step::SendLast(taken, refused)),
            }
        }
        self.make(py, completions, Step::Send(taken))
    }

    /// Waits until all items are stored, and returns how many there were, and how many of them were skipped.
    fn finish<'py>(
        &self,
        py: Python<'py>,
        completions: Option<&Bound<'py, Completions>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.make(py, completions, Step::Finish)
    }

    /// Resets the stream, unless it has ended.
    fn close(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(open);
    }
}

impl Import {
    pub(crate) fn new(about: About, import: prism_client::Import) -> Self {
        Self { about, open: Mutex::new(Some(Local::new(Arc::new(AsyncMutex::new(import))))) }
    }

    fn make<'py>(
        &self,
        py: Python<'py>,
        completions: Option<&Bound<'py, Completions>>,
        step: Step,
    ) -> PyResult<Bound<'py, PyAny>> {
        let import = self.import()?;
        let work = async move { step.run(&mut *import.lock().await).await };
        run(py, completions.map(|completions| completions.get()), self.about.clone_ref(py), work)
    }

    fn import(&self) -> PyResult<Arc<AsyncMutex<prism_client::Import>>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = open.as_ref() else {
            return Err(PyRuntimeError::new_err("this import is closed"));
        };
        open.get().cloned().ok_or_else(|| {
            PyRuntimeError::new_err("this import belongs to the parent process; start a new one after a fork")
        })
    }
}

impl Step {
    async fn run(self, import: &mut prism_client::Import) -> Outcome {
        let done = match self {
            Self::Send(items) => send(import, items).await.map(|()| Outcome::Done),
            Self::SendLast(items, refused) => match send(import, items).await {
                Ok(()) => {
                    let flushed = flush_whole(import).await;
                    flushed.map(|()| Outcome::ImportRefused(refused, import.acknowledged()))
                }
                Err(error) => Err(error),
            },
            Self::Finish => import.flush().await.map(Outcome::Imported),
        };
        done.unwrap_or_else(|error| Outcome::ImportFailed(error, import.acknowledged()))
    }
}

async fn send(import: &mut prism_client::Import, items: Vec<Exported>) -> Result<(), Error> {
    for item in items {
        if let Err(error) = import.send(item).await {
            // The client itself has refused it, and nothing that came before.
            if error.reason() == Some(ErrorReason::MessageTooLarge) {
                flush_whole(import).await?;
            }
            return Err(error);
        }
    }
    Ok(())
}

/// Waits until all items so far are stored, except for a list that lacks its last part.
async fn flush_whole(import: &mut prism_client::Import) -> Result<(), Error> {
    match import.flush().await {
        Err(error) if error.field() == Some("item.list_part.last") => Ok(()),
        flushed => flushed.map(drop),
    }
}

/// An item, which is (key, value, seconds left, taken at) or (list key, values, part, last, taken at).
fn exported(item: &Bound<'_, PyAny>) -> PyResult<Exported> {
    let item: &Bound<'_, PyTuple> = item.cast()?;
    let (item, taken_at) = if item.len() == 4 {
        let (key, value, left, taken_at) = item.extract()?;
        (key_item(&key, &value, &left)?, taken_at)
    } else {
        let (list_key, values, part, last, taken_at) = item.extract()?;
        (list_part(&list_key, &values, &part, &last)?, taken_at)
    };
    let taken_at: Bound<'_, PyAny> = taken_at;
    let taken_at = given(&taken_at).map(|taken_at| number(taken_at, "taken_at_unix_millis")).transpose()?;
    Ok(Exported { item, taken_at_unix_millis: taken_at.unwrap_or_default() })
}

fn key_item(key: Argument<'_, '_>, value: Argument<'_, '_>, left: Argument<'_, '_>) -> PyResult<Item> {
    let seconds = |left| -> PyResult<Duration> { duration(left, "ttl_seconds_left") };
    Ok(Item::Key {
        key: text(key, "key")?,
        value: bytes(value, "value")?,
        ttl_left: given(left).map(seconds).transpose()?,
    })
}

fn list_part(
    list_key: Argument<'_, '_>,
    values: Argument<'_, '_>,
    part: Argument<'_, '_>,
    last: Argument<'_, '_>,
) -> PyResult<Item> {
    Ok(Item::ListPart {
        list_key: text(list_key, "list_key")?,
        values: arguments::values(values)?,
        part: count(part, "part")?,
        last: truth(last, "last")?,
    })
}
