//! The lock that a writer holds, so that two processes write one after the other. This process's writers queue before
//! it, so whoever waits here waits for another process.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use super::place::storage;
use crate::error::{Kind, Problem};

/// A write takes milliseconds; a lock held for longer than this is stuck.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Held until dropped, or until the process ends, however it ends. Meanwhile the file contains the process's id.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    pub(super) fn take(path: &Path) -> Result<Self, Problem> {
        Self::take_within(path, WAIT_MAX)
    }

    fn take_within(path: &Path, wait_max: Duration) -> Result<Self, Problem> {
        let opened = File::options().create(true).truncate(false).read(true).write(true).open(path);
        let mut file = opened.map_err(|error| storage("open", path, &error))?;
        let deadline = Instant::now() + wait_max;
        loop {
            match file.try_lock() {
                Ok(()) => {
                    let mut lock = Self(file);
                    // Without it, only the message of those who wait in vain is less precise.
                    let _ = lock.sign();
                    return Ok(lock);
                }
                Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(storage("lock", path, &error));
                }
                Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
                Err(_) => {
                    let detail = format!(
                        "{} has held {} for {} s; nothing was changed; check that process and retry",
                        holder(&mut file),
                        path.display(),
                        wait_max.as_secs()
                    );
                    return Err(Problem::new(Kind::Storage, detail));
                }
            }
        }
    }

    fn sign(&mut self) -> io::Result<()> {
        self.0.set_len(0)?;
        self.0.rewind()?;
        writeln!(self.0, "{}", std::process::id())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Otherwise the next holder, if it does not sign the lock, would be taken for this process.
        let _ = self.0.set_len(0);
    }
}

/// Who holds the lock, according to its content.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    // A pid has at most 7 digits on Linux; anything longer is not one.
    let read = file.rewind().and_then(|()| file.take(32).read_to_string(&mut text));
    match text.trim().parse::<u32>() {
        Ok(pid) if read.is_ok() => format!("process {pid}"),
        _ => "another process, which fuser finds,".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_in_vain_is_told_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let refused = || Lock::take_within(&path, Duration::ZERO).unwrap_err().detail;
        let held = Lock::take(&path).unwrap();
        assert!(refused().starts_with(&format!("process {} has held", std::process::id())), "{}", refused());
        drop(held);
        let foreign = File::options().write(true).open(&path).unwrap();
        foreign.lock().unwrap();
        assert!(refused().starts_with("another process"), "{}", refused());
        drop(foreign);
        Lock::take_within(&path, Duration::ZERO).unwrap();
    }
}
