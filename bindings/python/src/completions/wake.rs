//! What wakes an event loop: a file descriptor that becomes readable.

use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};

/// A file descriptor that is readable while set.
pub(super) struct Wake {
    #[cfg(target_os = "linux")]
    event: OwnedFd,
    #[cfg(not(target_os = "linux"))]
    pipe: (OwnedFd, OwnedFd),
}

#[cfg(target_os = "linux")]
impl Wake {
    pub(super) fn new() -> std::io::Result<Self> {
        use rustix::event::{EventfdFlags, eventfd};
        Ok(Self { event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)? })
    }

    pub(super) fn fd(&self) -> RawFd {
        self.event.as_raw_fd()
    }

    /// Fails only when it is set already, some 2⁶⁴ times.
    pub(super) fn set(&self) {
        let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
    }

    /// Fails only when it is not set.
    pub(super) fn clear(&self) {
        let _ = rustix::io::read(&self.event, &mut [0; 8]);
    }
}

#[cfg(not(target_os = "linux"))]
impl Wake {
    pub(super) fn new() -> std::io::Result<Self> {
        let pipe = rustix::pipe::pipe()?;
        for end in [&pipe.0, &pipe.1] {
            rustix::fs::fcntl_setfl(end, rustix::fs::OFlags::NONBLOCK)?;
            rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
        }
        Ok(Self { pipe })
    }

    pub(super) fn fd(&self) -> RawFd {
        self.pipe.0.as_raw_fd()
    }

    /// Fails only when the pipe is full, and so set already.
    pub(super) fn set(&self) {
        let _ = rustix::io::write(&self.pipe.1, &[1]);
    }

    /// Fails only when it is not set. A burst writes one byte, so one read takes it.
    pub(super) fn clear(&self) {
        let _ = rustix::io::read(&self.pipe.0, &mut [0; 64]);
    }
}
