//! A call on the background thread, awaited by an event loop or by a thread.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::abortable;
use pyo3::IntoPyObjectExt as _;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::completions::Completions;
use crate::failure::About;
use crate::outcome::Outcome;
use crate::runtime::{Local, Runtime, Work};

/// How long a waiting thread may ignore signals: Ctrl-C takes effect within this time.
const SIGNALS_EVERY: Duration = Duration::from_millis(50);

/// Runs `work`. With `completions`, returns its ticket at once; without, returns its result or raises its failure.
pub(crate) fn run<'py>(
    py: Python<'py>,
    completions: Option<&Completions>,
    about: About,
    work: impl Future<Output = Outcome> + Send + 'static,
) -> PyResult<Bound<'py, PyAny>> {
    match completions {
        Some(completions) => completions.start(about, work)?.into_bound_py_any(py),
        None => wait(py, work)?.into_python(py, &about),
    }
}

/// Waits without the interpreter's lock, and checks for signals now and then; a signal's exception ends the call.
fn wait(py: Python<'_>, work: impl Future<Output = Outcome> + Send + 'static) -> PyResult<Outcome> {
    let (done, mut outcome) = sync_channel(1);
    let (work, abort) = abortable(async move {
        // If this fails, nobody waits any more.
        let _ = done.send(work.await);
    });
    let work: Work = Box::pin(work.map(drop));
    Runtime::of_this_process()?.spawn([work]);
    let process = Local::new(());
    loop {
        let (channel, received) = py.detach(move || {
            let received = outcome.recv_timeout(SIGNALS_EVERY);
            (outcome, received)
        });
        match received {
            Ok(outcome) => return Ok(outcome),
            Err(RecvTimeoutError::Disconnected) => return Ok(Outcome::Lost),
            Err(RecvTimeoutError::Timeout) => outcome = channel,
        }
        if let Err(interrupt) = py.check_signals() {
            abort.abort();
            return Err(interrupt);
        }
        // A signal's handler may fork: the child would wait forever.
        if process.get().is_none() {
            return Err(PyRuntimeError::new_err(
                "this call belongs to the parent process; make a new one after a fork",
            ));
        }
    }
}
