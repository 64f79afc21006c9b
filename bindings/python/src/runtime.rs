//! The one background thread of the process, with its tokio runtime.
//!
//! A fork copies the memory of the process, but only the thread that forks. The child therefore abandons the runtime
//! and everything that belongs to it without running a destructor: one could wait for a lock that the lost thread held,
//! or send a goodbye on a connection that is still the parent's. [`Local`] does that. It recognizes the child by its
//! process id: servers that fork in C, such as uWSGI, run no hook of `os.register_at_fork`.
//!
//! The statics here are accessed only by threads attached to the interpreter, as the one that forks is: no other thread
//! can hold the lock at that moment.

use std::io;
use std::pin::Pin;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::runtime::Builder;

use crate::wake::{self, Waker, Watched};

static RUNTIME: Mutex<Option<Local<Runtime>>> = Mutex::new(None);

/// Work for the background thread.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A handle to the background thread.
#[derive(Clone)]
pub(crate) struct Runtime(Arc<Submissions>);

struct Submissions {
    works: Mutex<Vec<Work>>,
    waker: Waker,
}

impl Runtime {
    /// The runtime of this process, started on first use.
    pub(crate) fn of_this_process() -> io::Result<Self> {
        let mut running = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = running.as_ref().and_then(Local::get) {
            return Ok(runtime.clone());
        }
        let started = Self::start()?;
        *running = Some(Local::new(started.clone()));
        Ok(started)
    }

    /// Starts the thread. It lives as long as the process and owns no Python object, so it may be stopped anywhere.
    fn start() -> io::Result<Self> {
        let (waker, watched) = wake::pair()?;
        let submissions = Arc::new(Submissions { works: Mutex::default(), waker });
        let tokio = Builder::new_current_thread().enable_all().build()?;
        let received = submissions.clone();
        std::thread::Builder::new()
            .name("prism-client".to_owned())
            .spawn(move || tokio.block_on(received.serve(watched)))?;
        Ok(Self(submissions))
    }

    /// Spawns each of `works`, with at most one wake-up of the thread.
    pub(crate) fn spawn(&self, works: impl IntoIterator<Item = Work>) {
        let mut submitted = self.0.works.lock().unwrap_or_else(PoisonError::into_inner);
        let sleeps = submitted.is_empty();
        submitted.extend(works);
        let wakes = sleeps && !submitted.is_empty();
        drop(submitted);
        if wakes {
            self.0.waker.wake();
        }
    }
}

impl Submissions {
    /// Spawns what is submitted. The wake-up is cleared before the works are taken: one that arrives in between is
    /// late, and finds nothing.
    async fn serve(self: Arc<Self>, watched: Watched) {
        let Ok(mut wakes) = pipe::Receiver::from_owned_fd(watched.into_fd()) else { return };
        // An error is impossible on a pipe whose other end `self` holds; work would end as `Outcome::Lost`.
        while wakes.read(&mut [0; 64]).await.is_ok() {
            let works = std::mem::take(&mut *self.works.lock().unwrap_or_else(PoisonError::into_inner));
            for work in works {
                tokio::spawn(work);
            }
        }
    }
}

/// A value that belongs to the process that created it: a forked child neither sees nor drops it.
///
/// Each access asks the kernel for the process id, some 0.2 µs, so what a call needs is kept in few of these.
#[derive(Debug)]
pub(crate) struct Local<T> {
    value: Option<T>,
    process: u32,
}

impl<T> Local<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: Some(value), process: process::id() }
    }

    /// The value; `None` in a forked child.
    pub(crate) fn get(&self) -> Option<&T> {
        self.value.as_ref().filter(|_| self.is_ours())
    }

    fn is_ours(&self) -> bool {
        self.process == process::id()
    }
}

impl<T> Drop for Local<T> {
    fn drop(&mut self) {
        if !self.is_ours() {
            std::mem::forget(self.value.take());
        }
    }
}
