//! Results on their way from the background thread to one event loop.
//!
//! The background thread pushes a result and, if it is the first one waiting, makes a file descriptor readable. The
//! loop watches that descriptor and takes all results at once: a burst, however large, costs one wake-up.

mod held;
mod queue;

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{AbortHandle, abortable};
use pyo3::exceptions::{PyBaseException, PyRuntimeError};
use pyo3::prelude::*;

use crate::failure::About;
use crate::outcome::Outcome;
use crate::runtime::{Local, Runtime};

use held::Held;
use queue::{Queue, Report};

/// The calls of one event loop in flight, each identified by its ticket.
#[pyclass(frozen, module = "prism._native")]
pub(crate) struct Completions(Local<Loop>);

/// What one event loop, and therefore one process, needs for its calls.
struct Loop {
    runtime: Runtime,
    queue: Arc<Queue>,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    last_ticket: u64,
    pending: HashMap<u64, Pending>,
    held: Held,
}

/// A call without a result yet.
struct Pending {
    about: About,
    work: AbortHandle,
}

/// A ticket, and the call's result or the exception of its failure.
type Result<'py> = (u64, Option<Bound<'py, PyAny>>, Option<Py<PyBaseException>>);

#[pymethods]
impl Completions {
    #[new]
    fn new() -> PyResult<Self> {
        let (runtime, queue) = (Runtime::of_this_process()?, Arc::new(Queue::new()?));
        Ok(Self(Local::new(Loop { runtime, queue, calls: Mutex::default() })))
    }

    /// Becomes readable when there are results to take.
    fn fileno(&self) -> PyResult<RawFd> {
        Ok(self.of_this_process()?.queue.watched.fd())
    }

    /// Returns the available results. After more than one, calls are held until `release`.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Vec<Result<'py>>> {
        let Some(Loop { queue, calls, .. }) = self.0.get() else { return Ok(Vec::new()) };
        queue.watched.clear();
        let mut calls = lock(calls);
        let finished: Vec<_> = queue
            .take()
            .into_iter()
            .filter_map(|(ticket, outcome)| Some((ticket, calls.pending.remove(&ticket)?.about, outcome)))
            .collect();
        if finished.len() > 1 {
            calls.held.hold();
        }
        drop(calls);
        let result = |(ticket, about, outcome): (u64, About, Outcome)| match outcome.into_python(py, &about) {
            Ok(value) => (ticket, Some(value), None),
            Err(error) => (ticket, None, Some(error.into_value(py))),
        };
        Ok(finished.into_iter().map(result).collect())
    }

    /// Starts the calls that were held while the tasks of a burst ran.
    fn release(&self) {
        if let Some(Loop { runtime, calls, .. }) = self.0.get() {
            lock(calls).held.release(runtime);
        }
    }

    /// Cancels the call with this ticket: its stream is reset. A write may still have been applied.
    fn cancel(&self, ticket: u64) {
        let Some(Loop { calls, .. }) = self.0.get() else { return };
        let pending = lock(calls).pending.remove(&ticket);
        if let Some(Pending { work, .. }) = pending {
            work.abort();
        }
    }
}

impl Completions {
    /// Starts `work` and returns its ticket.
    pub(crate) fn start(
        &self,
        about: About,
        work: impl Future<Output = Outcome> + Send + 'static,
    ) -> PyResult<u64> {
        let Loop { runtime, queue, calls } = self.of_this_process()?;
        let mut calls = lock(calls);
        calls.last_ticket += 1;
        let ticket = calls.last_ticket;
        let (work, abort) = abortable(Report::to(queue.clone(), ticket).of(work));
        calls.pending.insert(ticket, Pending { about, work: abort });
        calls.held.add(Box::pin(work.map(drop)), runtime);
        Ok(ticket)
    }

    fn of_this_process(&self) -> PyResult<&Loop> {
        self.0.get().ok_or_else(|| {
            PyRuntimeError::new_err("this loop belongs to the parent process; use a new one after a fork")
        })
    }
}

fn lock(calls: &Mutex<Calls>) -> MutexGuard<'_, Calls> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}
