//! The lock that a writer holds, so that the writes of two admins follow each other.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::storage;
use crate::error::{Kind, Problem};

/// A write takes milliseconds; a lock that is held for longer is stuck.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Held until dropped, or until the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "the lock lasts as long as its file is open")] File);

impl Lock {
    pub(super) fn take(path: &Path) -> Result<Self, Problem> {
        let opened = File::options().create(true).truncate(false).write(true).open(path);
        let file = opened.map_err(|error| storage("open", path, &error))?;
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self(file)),
                Err(Errno::WOULDBLOCK | Errno::INTR) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(Errno::WOULDBLOCK) => {
                    let detail = format!(
                        "another process has held {} for {} s; nothing was changed; find it with fuser and try again",
                        path.display(),
                        WAIT_MAX.as_secs()
                    );
                    return Err(Problem::new(Kind::Storage, detail));
                }
                Err(error) => return Err(storage("lock", path, &io::Error::from(error))),
            }
        }
    }
}
