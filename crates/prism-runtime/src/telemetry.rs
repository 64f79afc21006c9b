//! Logs: one line per event on standard error, as text for people or JSON for collectors.
//!
//! A line goes into a buffer, from which a separate thread writes it, so that a reader that is slow, gone or out of
//! disk space costs lines and nothing else. Lost lines are counted.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal as _, Write};
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use crate::args::LogFormat;
use crate::exit::ServerError;

/// The size of the buffer: some 20,000 lines, enough to bridge a collector's restart.
const BUFFER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long an ending process waits for its last lines to be written.
const FLUSH_MAX: Duration = Duration::from_millis(500);

/// The log of this process.
static LOG: LazyLock<Log> = LazyLock::new(Log::default);

#[derive(Debug, Default)]
struct Log {
    state: Mutex<State>,
    /// Signalled after each change of the state.
    changed: Condvar,
    dropped: AtomicU64,
    failed: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    buffer: Vec<u8>,
    /// Whether a thread writes what is in the buffer.
    has_writer: bool,
    is_writing: bool,
}

/// Lines that were never written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Because the buffer was full.
    pub(crate) dropped: u64,
    /// Because the write failed.
    pub(crate) failed: u64,
}

/// Sends logs and panic messages to standard error. Call it once, first in `main`.
///
/// # Errors
/// The filter cannot be parsed, or the system refuses a thread.
pub fn init(filter: &str, format: LogFormat) -> Result<(), ServerError> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        ServerError::Config(format!(
            "--log: {error}; expected a level or a filter such as info,prism_net=debug"
        ))
    })?;
    LOG.start_writer(|| io::stderr().lock()).map_err(ServerError::failed)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Line)
        // It would complain on standard error, and panic if that is closed.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Writes a line about the process itself, such as why it ends, and waits for it and earlier lines to be written, for
/// at most half a second.
pub fn end_with(line: &str) {
    LOG.add(line.as_bytes());
    LOG.flush();
}

/// Waits for earlier lines to be written, for at most half a second.
pub fn flush() {
    LOG.flush();
}

/// The lines lost so far.
pub(crate) fn lost() -> Lost {
    Lost { dropped: LOG.dropped.load(Relaxed), failed: LOG.failed.load(Relaxed) }
}

/// The default hook writes to standard error directly, and waits for its reader.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(thread, backtrace, "{panic}");
}

/// One event's line, written at once.
struct Line;

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        LOG.add(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// No code under the lock panics.
    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: &[u8]) {
        let mut state = self.locked();
        if !state.has_writer {
            // Logging has not started: the process ends during its start.
            drop(state);
            let _ = io::stderr().write_all(line);
        } else if state.buffer.len() + line.len() > BUFFER_BYTES_MAX {
            self.dropped.fetch_add(1, Relaxed);
        } else {
            state.buffer.extend_from_slice(line);
            self.changed.notify_all();
        }
    }

    fn start_writer<W: Write>(&'static self, to: impl Fn() -> W + Send + 'static) -> io::Result<()> {
        self.locked().has_writer = true;
        thread::Builder::new().name("log".to_owned()).spawn(move || self.write_all(to)).map(drop)
    }

    /// Writes lines as they come, forever.
    fn write_all<W: Write>(&self, to: impl Fn() -> W) {
        let mut lines = Vec::new();
        loop {
            let mut state = self.locked();
            while state.buffer.is_empty() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut state.buffer, &mut lines);
            state.is_writing = true;
            drop(state);
            if to().write_all(&lines).is_err() {
                let count = lines.iter().filter(|byte| **byte == b'\n').count() as u64;
                self.failed.fetch_add(count, Relaxed);
            }
            lines.clear();
            // The memory of a burst is not kept.
            lines.shrink_to(64 * 1024);
            self.locked().is_writing = false;
            self.changed.notify_all();
        }
    }

    fn flush(&self) {
        let state = self.locked();
        let waits = |state: &mut State| state.is_writing || !state.buffer.is_empty();
        let _ = self.changed.wait_timeout_while(state, FLUSH_MAX, waits);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Passes on what is written; blocks while nobody receives.
    struct Pipe(mpsc::SyncSender<Vec<u8>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log() -> (&'static Log, mpsc::Receiver<Vec<u8>>) {
        let log: &'static Log = Box::leak(Box::default());
        let (sender, receiver) = mpsc::sync_channel(0);
        log.start_writer(move || Pipe(sender.clone())).unwrap();
        (log, receiver)
    }

    #[test]
    fn a_reader_that_takes_nothing_costs_lines_and_no_time() {
        let (log, reader) = log();
        let line = [b'x'; 1024];
        let count = 2 * BUFFER_BYTES_MAX / line.len();
        for _ in 0..count {
            log.add(&line);
        }
        let dropped = log.dropped.load(Relaxed) as usize;
        // One buffer fills while the other is being written.
        assert!((1..=count / 2).contains(&dropped), "{dropped} of {count} lines");
        let mut received = 0;
        while received < (count - dropped) * line.len() {
            received += reader.recv().unwrap().len();
        }
        log.flush();
        assert!(!log.locked().is_writing);
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_survived() {
        let (log, reader) = log();
        drop(reader);
        log.add(b"one\ntwo\n");
        log.flush();
        log.add(b"three\n");
        log.flush();
        assert_eq!(log.failed.load(Relaxed), 3);
    }
}
