//! Results on their way from the background thread to one event loop.
//!
//! The background thread pushes a result and, if it is the first one waiting, makes a file descriptor readable. The
//! loop watches that descriptor and takes all results at once: one wake-up for a burst, however large.

use std::collections::HashMap;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyWeakrefReference;
use tokio::task::JoinHandle;

use crate::failure::{self, About};
use crate::outcome::Outcome;
use crate::runtime::{self, Local};

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
}

/// A call whose result has not come.
struct Pending {
    future: Py<PyAny>,
    about: About,
    task: Local<JoinHandle<()>>,
}

/// What the background thread sees.
struct Queue {
    results: Mutex<Vec<(u64, Outcome)>>,
    wake: Wake,
}

#[pymethods]
impl Completions {
    #[new]
    fn new(event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        let queue = Queue { results: Mutex::new(Vec::new()), wake: Wake::new()? };
        Ok(Self {
            event_loop: PyWeakrefReference::new(event_loop)?.unbind(),
            queue: Local::new(Arc::new(queue)),
            calls: Mutex::default(),
        })
    }

    /// Becomes readable when there are results to drain.
    fn fileno(&self) -> PyResult<RawFd> {
        Ok(self.queue()?.wake.fd())
    }

    /// Sets the futures of all results that have come. Called by the loop, on its thread.
    fn drain(&self, py: Python<'_>) -> PyResult<()> {
        let Some(queue) = self.queue.get() else { return Ok(()) };
        queue.wake.clear();
        for (ticket, outcome) in queue.take() {
            let pending = self.calls().pending.remove(&ticket);
            if let Some(pending) = pending {
                pending.finish(py, outcome)?;
            }
        }
        Ok(())
    }

    /// Gives up the call with this ticket: its stream is reset. A write may still have been applied.
    fn cancel(&self, ticket: u64) {
        let pending = self.calls().pending.remove(&ticket);
        if let Some(task) = pending.as_ref().and_then(|pending| pending.task.get()) {
            task.abort();
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
        let event_loop = self.event_loop.bind(py).upgrade();
        let event_loop = event_loop.ok_or_else(|| PyRuntimeError::new_err("the event loop is gone"))?;
        let future = event_loop.call_method0(intern!(py, "create_future"))?;
        let ticket = self.next_ticket();
        let report = Report { queue: self.queue()?.clone(), ticket, outcome: Some(Outcome::Lost) };
        let task = runtime::handle()?.spawn(report.of(work));
        let pending = Pending { future: future.clone().unbind(), about, task: Local::new(task) };
        self.calls().pending.insert(ticket, pending);
        Ok((future, ticket))
    }

    fn next_ticket(&self) -> u64 {
        let mut calls = self.calls();
        calls.last_ticket += 1;
        calls.last_ticket
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
    fn finish(self, py: Python<'_>, outcome: Outcome) -> PyResult<()> {
        let future = self.future.bind(py);
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

impl Queue {
    fn push(&self, ticket: u64, outcome: Outcome) {
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        results.push((ticket, outcome));
        let is_first = results.len() == 1;
        drop(results);
        if is_first {
            self.wake.set();
        }
    }

    fn take(&self) -> Vec<(u64, Outcome)> {
        std::mem::take(&mut *self.results.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Pushes a result exactly once, also when the work panics.
struct Report {
    queue: Arc<Queue>,
    ticket: u64,
    outcome: Option<Outcome>,
}

impl Report {
    async fn of(mut self, work: impl Future<Output = Outcome>) {
        self.outcome = Some(work.await);
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome.take() {
            self.queue.push(self.ticket, outcome);
        }
    }
}

/// A file descriptor that is readable while set.
struct Wake {
    #[cfg(target_os = "linux")]
    event: OwnedFd,
    #[cfg(not(target_os = "linux"))]
    pipe: (OwnedFd, OwnedFd),
}

#[cfg(target_os = "linux")]
impl Wake {
    fn new() -> std::io::Result<Self> {
        use rustix::event::{EventfdFlags, eventfd};
        Ok(Self { event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)? })
    }

    fn fd(&self) -> RawFd {
        self.event.as_raw_fd()
    }

    /// Fails only when it is set already, some 2⁶⁴ times.
    fn set(&self) {
        let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
    }

    /// Fails only when it is not set.
    fn clear(&self) {
        let _ = rustix::io::read(&self.event, &mut [0; 8]);
    }
}

#[cfg(not(target_os = "linux"))]
impl Wake {
    fn new() -> std::io::Result<Self> {
        let pipe = rustix::pipe::pipe()?;
        for end in [&pipe.0, &pipe.1] {
            rustix::fs::fcntl_setfl(end, rustix::fs::OFlags::NONBLOCK)?;
            rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
        }
        Ok(Self { pipe })
    }

    fn fd(&self) -> RawFd {
        self.pipe.0.as_raw_fd()
    }

    /// Fails only when the pipe is full, and so set already.
    fn set(&self) {
        let _ = rustix::io::write(&self.pipe.1, &[1]);
    }

    /// Fails only when it is not set. A burst writes one byte, so one read takes it.
    fn clear(&self) {
        let _ = rustix::io::read(&self.pipe.0, &mut [0; 64]);
    }
}
