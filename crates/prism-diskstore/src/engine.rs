//! What the store needs of an engine: ordered keys, views of what is committed, and batches that are applied whole or not at
//! all. Everything else (records, lists, expiry) is built above it, so that an engine can be exchanged and tests can put
//! something between the store and its engine.

use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use bytes::Bytes;

/// Ordered keys with values, on disk.
pub trait Engine: Send + Sync {
    /// What is committed now. It does not change while others commit.
    fn view(&self) -> Box<dyn View>;

    /// Applies a batch, whole or not at all, even if the power fails. When this returns, views have it, a killed process
    /// does not lose it, and with [`Flush::Now`] neither does a power loss. Returns within a bounded time.
    ///
    /// # Errors
    /// Why it was not applied. Unless the fault is [`Fault::Full`] or [`Fault::Busy`], it may turn out to have been when the
    /// engine is opened again.
    fn commit(&self, batch: &Batch, flush: Flush) -> Result<(), Fault>;

    /// Makes everything that was committed survive a power loss.
    ///
    /// # Errors
    /// Why that is not certain.
    fn sync(&self) -> Result<(), Fault>;

    /// Whether it keeps files that nothing needs, for it frees them only along with later writes.
    ///
    /// # Errors
    /// The files cannot be listed.
    fn leftovers(&self) -> Result<Leftovers, Fault> {
        Ok(Leftovers::None)
    }

    /// Begins to free them, once a batch was committed after the last that it freed.
    ///
    /// # Errors
    /// Why it cannot.
    fn free_leftovers(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// Figures for operators.
    fn figures(&self) -> Figures;
}

/// What was committed at one moment.
pub trait View: Send {
    /// The value of a key.
    ///
    /// # Errors
    /// The value cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Fault>;

    /// Visits the keys from `from` on that are less than `to`, in order, until `visit` breaks.
    ///
    /// # Errors
    /// A key or value cannot be read.
    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), Fault>;

    /// The same from the greatest key to the least.
    ///
    /// # Errors
    /// As [`scan`](Self::scan).
    fn scan_back(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), Fault>;
}

/// Sees a key and its value.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Whether a commit waits until the disk has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// It does.
    Now,
    /// The system has it, and writes it when it likes.
    Later,
}

/// What [`Engine::leftovers`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftovers {
    /// There are none.
    None,
    /// It is still working, and may leave some.
    Later,
    /// There are some.
    Some,
}

/// Changes that are applied together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The number of this batch: one more than that of the batch before it.
    pub number: u64,
    /// The number of the last batch that survives a power loss.
    pub synced: u64,
    /// Keys with their new values; `None` removes the key. Each key is there once.
    pub changes: Vec<(Vec<u8>, Option<Bytes>)>,
}

/// Figures of an engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Bytes of all files.
    pub disk_bytes: u64,
    /// Bytes of the journal among them.
    pub journal_bytes: u64,
    /// Compactions since it was opened.
    pub compactions: u64,
}

/// How an engine is opened; again, after a fault that opening it anew heals.
pub trait Opener: Send + Sync {
    /// Creates an engine in a folder that does not exist.
    ///
    /// # Errors
    /// Why it cannot be created.
    fn create(&self, folder: &Path) -> Result<Box<dyn Engine>, Fault>;

    /// Opens the engine in a folder.
    ///
    /// # Errors
    /// Why it cannot be opened; [`Fault::Damaged`] if it is not all there, and then nothing was changed.
    fn open(&self, folder: &Path, after: After) -> Result<Box<dyn Engine>, Fault>;
}

/// What happened before an engine is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Its process may have been killed, and the power may have failed.
    Anything,
    /// It was closed, with this number as the last batch: nothing may be missing.
    Close(u64),
    /// This process has it open, and the batches after this number were not acknowledged: they are left out.
    Fault(u64),
}

/// Why an engine failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The disk is full; nothing was applied.
    Full,
    /// It cannot keep up with writing; nothing was applied.
    Busy,
    /// It accepts no writes until it is opened again.
    Stopped,
    /// The disk failed to read, write or sync.
    Io(String),
    /// What is on disk is not what was written there.
    Damaged(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the disk is full"),
            Self::Busy => f.write_str("the disk does not keep up with the writes"),
            Self::Stopped => f.write_str("writing stopped after an error in the background"),
            Self::Io(why) => write!(f, "the disk failed: {why}"),
            Self::Damaged(what) => write!(f, "the data is damaged: {what}"),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::Damaged(error.to_string()),
            _ => Self::Io(error.to_string()),
        }
    }
}
