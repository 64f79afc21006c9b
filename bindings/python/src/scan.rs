//! The class `Scan`: a stream of entries, or of the items of an export, fetched in batches so that an entry costs a turn of the loop only if it has
//! to be awaited.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt as _;
use prism_client::{Entry, Error, Export, Exported, ListEntry};
use pyo3::IntoPyObjectExt as _;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use tokio::sync::Mutex as AsyncMutex;

use crate::completions::Completions;
use crate::failure::{self, About};
use crate::outcome::Outcome;
use crate::run::run;
use crate::runtime::Local;

/// The maximum number of entries in a batch: enough that the batch's own cost no longer matters.
const BATCH_ENTRIES_MAX: usize = 256;

/// A batch gets no further entry once it holds this much.
const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// A scan. Dropping it resets its stream.
#[pyclass(frozen, module = "prism._native")]
pub(crate) struct Scan {
    about: About,
    pull: Mutex<Option<Local<Arc<Pull>>>>,
}

/// The stream, and the batch that nobody has taken yet.
///
/// A batch stays here until the thread that waits for it takes it, so abandoning a wait loses no entry and does not
/// reorder entries.
struct Pull {
    source: AsyncMutex<Source>,
    ready: Mutex<Ready>,
}

#[derive(Default)]
struct Ready {
    entries: Vec<Item>,
    /// The scan's resume token behind these entries.
    token: Option<Bytes>,
    /// Whether the stream is over.
    ended: bool,
    /// The error with which it ended, for whoever reads after the last entry.
    error: Option<Error>,
}

/// The result of [`Pull::take`].
enum Taken {
    /// Entries; none at the end.
    Entries(Vec<Item>),
    Failed(Error),
    /// Another reader of the same scan was faster.
    Nothing,
}

/// What a scan returns.
enum Item {
    Key(String),
    Entry(Entry),
    /// An entry with the time that it has left to live.
    Expiring(Entry),
    List(ListEntry),
    Exported(Exported),
}

enum Source {
    Entries(prism_client::Scan<Entry>, fn(Entry) -> Item),
    Keys(prism_client::Scan<String>),
    Lists(prism_client::Scan<ListEntry>),
    Export(Export),
}

#[pymethods]
impl Scan {
    /// Waits until there is something to take. Cancelling it loses nothing.
    fn fetch<'py>(
        &self,
        py: Python<'py>,
        completions: Option<&Bound<'py, Completions>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let pull = self.pull()?;
        let work = async move {
            if let Some(pull) = pull {
                pull.fetch().await;
            }
            Outcome::Done
        };
        run(py, completions.map(|completions| completions.get()), self.about.clone_ref(py), work)
    }

    /// The fetched entries; an empty list at the end and after an error or `close`; `None` if another reader got them.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        let taken = self.pull()?.map_or(Taken::Entries(Vec::new()), |pull| pull.take());
        match taken {
            Taken::Entries(entries) => list(py, entries).map(Some),
            Taken::Failed(error) => Err(failure::raise(py, &error, &self.about)),
            Taken::Nothing => Ok(None),
        }
    }

    /// The resume token behind the entries that were taken last, if any. It belongs to the last of them, or to an earlier
    /// one: a batch ends where a token arrives. None after `close`.
    fn resume_token<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let token = self.pull()?.and_then(|pull| pull.token());
        Ok(token.map(|token| PyBytes::new(py, &token)))
    }

    /// Resets the stream, unless it has ended.
    fn close(&self) {
        let pull = self.pull.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(pull);
    }
}

impl Scan {
    pub(crate) fn of_entries(about: About, scan: prism_client::Scan<Entry>, with_ttl: bool) -> Self {
        Self::new(about, Source::Entries(scan, if with_ttl { Item::Expiring } else { Item::Entry }))
    }

    pub(crate) fn of_keys(about: About, scan: prism_client::Scan<String>) -> Self {
        Self::new(about, Source::Keys(scan))
    }

    pub(crate) fn of_lists(about: About, scan: prism_client::Scan<ListEntry>) -> Self {
        Self::new(about, Source::Lists(scan))
    }

    pub(crate) fn of_export(about: About, export: Export) -> Self {
        Self::new(about, Source::Export(export))
    }

    fn new(about: About, source: Source) -> Self {
        let ready = Ready { token: source.token(), ..Ready::default() };
        let pull = Pull { source: AsyncMutex::new(source), ready: Mutex::new(ready) };
        Self { about, pull: Mutex::new(Some(Local::new(Arc::new(pull)))) }
    }

    /// The rest of the stream; `None` after `close`.
    fn pull(&self) -> PyResult<Option<Arc<Pull>>> {
        let pull = self.pull.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pull) = pull.as_ref() else { return Ok(None) };
        let pull = pull.get().cloned();
        pull.map(Some).ok_or_else(|| {
            PyRuntimeError::new_err("this scan belongs to the parent process; start a new one after a fork")
        })
    }
}

impl Pull {
    /// Prepares the next batch, unless one is ready. May be dropped while it waits.
    async fn fetch(&self) {
        let mut source = self.source.lock().await;
        if self.ready().is_settled() {
            return;
        }
        let mut next = source.next().await;
        let before = self.ready().token.clone();
        let mut batch = Ready { token: before.clone(), ..Ready::default() };
        let mut bytes = 0;
        loop {
            match next {
                Some(Ok(item)) => {
                    bytes += item.size();
                    batch.entries.push(item);
                    batch.token = source.token();
                }
                Some(Err(error)) => {
                    batch.error = Some(error);
                    batch.ended = true;
                }
                None => batch.ended = true,
            }
            let is_full = batch.entries.len() == BATCH_ENTRIES_MAX || bytes >= BATCH_BYTES_MAX;
            if batch.ended || is_full || batch.token != before {
                break;
            }
            match source.next().now_or_never() {
                Some(item) => next = item,
                None => break,
            }
        }
        *self.ready() = batch;
    }

    /// Takes the batch that is ready, the error after it, or the end.
    fn take(&self) -> Taken {
        let mut ready = self.ready();
        if !ready.entries.is_empty() {
            return Taken::Entries(std::mem::take(&mut ready.entries));
        }
        match ready.error.take() {
            Some(error) => Taken::Failed(error),
            None if ready.ended => Taken::Entries(Vec::new()),
            None => Taken::Nothing,
        }
    }

    fn token(&self) -> Option<Bytes> {
        self.ready().token.clone()
    }

    fn ready(&self) -> MutexGuard<'_, Ready> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ready {
    fn is_settled(&self) -> bool {
        self.ended || !self.entries.is_empty()
    }
}

impl Item {
    fn size(&self) -> usize {
        match self {
            Self::Key(key) => key.len(),
            Self::Entry(entry) | Self::Expiring(entry) => entry.key.len() + entry.value.len(),
            Self::List(list) => list.list_key.len(),
            Self::Exported(Exported { item, .. }) => match item {
                prism_client::Item::Key { key, value, .. } => key.len() + value.len(),
                prism_client::Item::ListPart { list_key, values, .. } => {
                    list_key.len() + values.iter().map(Bytes::len).sum::<usize>()
                }
            },
        }
    }

    /// A key, (key, value), (key, value, time left) or (list key, length); of an export as [`exported`] has it.
    fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        match self {
            Self::Key(key) => key.into_bound_py_any(py),
            Self::Entry(entry) => (entry.key, PyBytes::new(py, &entry.value)).into_bound_py_any(py),
            Self::Expiring(entry) => {
                let left = entry.ttl_left.map(|left| left.as_secs_f64());
                (entry.key, PyBytes::new(py, &entry.value), left).into_bound_py_any(py)
            }
            Self::List(list) => (list.list_key, list.length).into_bound_py_any(py),
            Self::Exported(item) => exported(py, item),
        }
    }
}

/// (key, value, time left, taken at) or (list key, values, part, whether it is the last, taken at).
fn exported(py: Python<'_>, Exported { item, taken_at_unix_millis }: Exported) -> PyResult<Bound<'_, PyAny>> {
    let taken_at = Some(taken_at_unix_millis).filter(|millis| *millis != 0);
    match item {
        prism_client::Item::Key { key, value, ttl_left } => {
            let left = ttl_left.map(|left| left.as_secs_f64());
            (key, PyBytes::new(py, &value), left, taken_at).into_bound_py_any(py)
        }
        prism_client::Item::ListPart { list_key, values, part, last } => {
            let values = PyList::new(py, values.iter().map(|value| PyBytes::new(py, value)))?;
            (list_key, values, part, last, taken_at).into_bound_py_any(py)
        }
    }
}

impl Source {
    async fn next(&mut self) -> Option<Result<Item, Error>> {
        Some(match self {
            Self::Entries(scan, item) => scan.next().await?.map(*item),
            Self::Keys(scan) => scan.next().await?.map(Item::Key),
            Self::Lists(scan) => scan.next().await?.map(Item::List),
            Self::Export(export) => export.next().await?.map(Item::Exported),
        })
    }

    fn token(&self) -> Option<Bytes> {
        match self {
            Self::Entries(scan, _) => scan.resume_token().cloned(),
            Self::Keys(scan) => scan.resume_token().cloned(),
            Self::Lists(scan) => scan.resume_token().cloned(),
            Self::Export(export) => export.resume_token().cloned(),
        }
    }
}

/// A list of what a scan returned.
fn list(py: Python<'_>, entries: Vec<Item>) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    for item in entries {
        list.append(item.into_python(py)?)?;
    }
    Ok(list)
}
