//! What wakes a thread that watches file descriptors: a pipe that becomes readable.
//!
//! A pipe, not an eventfd: only with a pipe does Linux know that the writer is about to sleep, and run the reader on
//! the same core at once. Between threads that take turns, that takes a fifth of the time on an otherwise busy machine.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::{FdFlags, fcntl_setfd};

/// The end that wakes the other.
#[derive(Debug)]
pub(crate) struct Waker(OwnedFd);

/// The end that is watched.
#[derive(Debug)]
pub(crate) struct Watched(OwnedFd);

/// Both ends, non-blocking and closed on exec.
pub(crate) fn pair() -> io::Result<(Waker, Watched)> {
    let (reader, writer) = rustix::pipe::pipe()?;
    for end in [&reader, &writer] {
        fcntl_setfl(end, OFlags::NONBLOCK)?;
        fcntl_setfd(end, FdFlags::CLOEXEC)?;
    }
    Ok((Waker(writer), Watched(reader)))
}

impl Waker {
    /// Fails only if the pipe is full of wake-ups, or if nobody is left to wake.
    pub(crate) fn wake(&self) {
        let _ = rustix::io::write(&self.0, &[0]);
    }
}

impl Watched {
    pub(crate) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Fails only if there was no wake-up. There is at most one at a time, and now and then a late one.
    pub(crate) fn clear(&self) {
        let _ = rustix::io::read(&self.0, &mut [0; 64]);
    }

    pub(crate) fn into_fd(self) -> OwnedFd {
        self.0
    }
}
