//! Results on their way from the background thread to one event loop.
//!
//! The background thread pushes a result and, if it is the first one waiting, makes a file descriptor readable. The
//! loop watches that descriptor and takes all results at once: one wake-up for a burst, however large.

mod held;
mod queue;

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{AbortHandle, abortable};
use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyWeakrefReference;

use crate::failure::{self, About};
use crate::outcome::Outcome;
use crate::runtime::{Local, Runtime};

use held::Held;
use queue::{Queue, Report};

/// The calls of one event loop that are under way.
#[pyclass(frozen, weakref, module = "prism._native")]
pub(crate) struct Completions {
    event_loop: Py<PyWeakrefReference>,
    queue: Local<Arc<Queue>>,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    last_ticket: u64,
    pending: HashMap<u64, Pending>,
    held: Local<Held>,
}

/// A call whose result has not come.
struct Pending {
    future: Py<PyAny>,
    about: About,
    work: Local<AbortHandle>,
}

#[pymethods]
impl Completions {
    #[new]
    fn new(event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self {
            event_loop: PyWeakrefReference::new(event_loop)?.unbind(),
            queue: Local::new(Arc::new(Queue::new()?)),
            calls: Mutex::default(),
        })
    }

    /// Becomes readable when there are results to drain.
    fn fileno(&self) -> PyResult<RawFd> {
        Ok(self.queue()?.watched.fd())
    }

    /// Sets the futures of all results that have come. Called by the loop, on its thread.
    fn drain(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let Some(queue) = this.queue.get() else { return Ok(()) };
        queue.watched.clear();
        let results = queue.take();
        let is_burst = results.len() > 1;
        for (ticket, outcome) in results {
            let pending = this.calls().pending.remove(&ticket);
            if let Some(pending) = pending {
                pending.finish(py, outcome);
            }
        }
        if is_burst {
            // Runs behind the tasks that were just woken, in the same turn of the loop.
            let release = slf.getattr(intern!(py, "release"))?;
            this.event_loop(py)?.call_method1(intern!(py, "call_soon"), (release,))?;
            if let Some(held) = this.calls().held.get_mut() {
                held.hold();
            }
        }
        Ok(())
    }

    /// Starts the calls that were held while the tasks of a burst ran.
    fn release(&self) -> PyResult<()> {
        if let Some(held) = self.calls().held.get_mut() {
            held.release(&Runtime::of_this_process()?);
        }
        Ok(())
    }

    /// Gives up the call with this ticket: its stream is reset. A write may still have been applied.
    fn cancel(&self, ticket: u64) {
        let pending = self.calls().pending.remove(&ticket);
        if let Some(work) = pending.as_ref().and_then(|pending| pending.work.get()) {
            work.abort();
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // The lock is never held while Python code runs, so it is free; should it not be, nothing is freed this time.
        if let Ok(calls) = self.calls.try_lock() {
            for pending in calls.pending.values() {
                visit.call(&pending.future)?;
                pending.about.traverse(visit)?;
            }
        }
        Ok(())
    }

    fn __clear__(&self) {
        let pending = std::mem::take(&mut self.calls().pending);
        drop(pending);
    }
}

impl Completions {
    /// Spawns `work` and returns an asyncio future of its outcome, and the ticket that cancels it.
    pub(crate) fn start<'py>(
        &self,
        py: Python<'py>,
        about: About,
        work: impl Future<Output = Outcome> + Send + 'static,
    ) -> PyResult<(Bound<'py, PyAny>, u64)> {
        let (queue, runtime) = (self.queue()?.clone(), Runtime::of_this_process()?);
        let future = self.event_loop(py)?.call_method0(intern!(py, "create_future"))?;
        let mut calls = self.calls();
        calls.last_ticket += 1;
        let ticket = calls.last_ticket;
        let (work, abort) = abortable(Report::to(queue, ticket).of(work));
        let pending = Pending { future: future.clone().unbind(), about, work: Local::new(abort) };
        calls.pending.insert(ticket, pending);
        if let Some(held) = calls.held.get_mut() {
            held.add(Box::pin(work.map(drop)), &runtime);
        }
        Ok((future, ticket))
    }

    fn event_loop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let event_loop = self.event_loop.bind(py).upgrade();
        event_loop.ok_or_else(|| PyRuntimeError::new_err("the event loop is gone"))
    }

    fn queue(&self) -> PyResult<&Arc<Queue>> {
        self.queue.get().ok_or_else(|| {
            PyRuntimeError::new_err("this event loop is the parent process's; use a new one after a fork")
        })
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    /// Sets the future. A failure to do so concerns this call alone, and is reported where Python reports such.
    fn finish(self, py: Python<'_>, outcome: Outcome) {
        let future = self.future.bind(py);
        if let Err(error) = self.set(future, outcome) {
            error.write_unraisable(py, Some(future));
        }
    }

    fn set(&self, future: &Bound<'_, PyAny>, outcome: Outcome) -> PyResult<()> {
        let py = future.py();
        if future.call_method0(intern!(py, "done"))?.is_truthy()? {
            return Ok(());
        }
        match outcome.into_python(py, &self.about) {
            Ok(value) => future.call_method1(intern!(py, "set_result"), (value,))?,
            Err(error) => future.call_method1(intern!(py, "set_exception"), (failure::value(py, error),))?,
        };
        Ok(())
    }
}
