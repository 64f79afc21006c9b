//! The one background thread of the process, with its tokio runtime.
//!
//! A fork copies the memory of the process but no thread except the one that forks. The child therefore forgets the
//! runtime and everything that belongs to it, without running a destructor: one could wait for a lock that the lost
//! thread held, or say goodbye on a connection that is still the parent's. [`Local`] does that forgetting.
//!
//! The state here is touched only by threads attached to the interpreter, as the one that forks is: no other thread
//! can hold the lock at that moment.

use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle};

/// How many forks lie between this process and the one that loaded the library.
static GENERATION: AtomicU64 = AtomicU64::new(0);

static RUNTIME: Mutex<Option<Local<Handle>>> = Mutex::new(None);

/// Run in the child after a fork: from now on the parent's things are forgotten instead of used.
#[pyfunction]
pub(crate) fn forked() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// The runtime of this process, started when first asked for.
pub(crate) fn handle() -> io::Result<Handle> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = runtime.as_ref().and_then(Local::get) {
        return Ok(handle.clone());
    }
    let started = start()?;
    *runtime = Some(Local::new(started.clone()));
    Ok(started)
}

/// A thread that lives as long as the process. It owns no Python object, so it may be stopped anywhere.
fn start() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("prism-client".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}

/// A value that belongs to this process: a forked child neither sees nor drops it.
#[derive(Debug)]
pub(crate) struct Local<T> {
    value: Option<T>,
    generation: u64,
}

impl<T> Local<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: Some(value), generation: generation() }
    }

    /// The value; `None` in a forked child.
    pub(crate) fn get(&self) -> Option<&T> {
        self.value.as_ref().filter(|_| self.generation == generation())
    }
}

impl<T> Drop for Local<T> {
    fn drop(&mut self) {
        if self.generation != generation() {
            std::mem::forget(self.value.take());
        }
    }
}
