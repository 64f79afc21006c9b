//! The engine: fjall, a log-structured merge tree with a journal.
//!
//! fjall decides by itself when it writes tables and merges them. What it leaves to its user is done here:
//!
//! - It does not check its manifests: see `manifest`.
//! - Its recovery ends at the first entry of the journal that it cannot read, and refuses a torn batch at the end; the
//!   journal is checked before it is opened: see `journal`.
//! - A commit waits in a loop without end when tables are written too slowly, or not at all; here it waits at most
//!   10 s before.
//! - Reads that use no snapshot see half of a batch.
//! - Tables that were merged, and journals whose writes are in tables, stay on disk until the next table is
//!   begun: see `free_leftovers`.

mod journal;
mod manifest;

use std::any::Any;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable as _, Snapshot};

use crate::engine::{After, Batch, Engine, Fault, Figures, Flush, Leftovers, Opener, View, Visit};
use crate::layout;

/// When the journal is sealed and the oldest is removed. It is also the least that fjall takes.
const JOURNAL_BYTES: u64 = 64 << 20;

/// Threads that write and merge tables.
const THREADS: usize = 2;

/// Files that are kept open.
const FILES_MAX: usize = 256;

/// How far tables may lag behind before a commit waits for them. fjall itself waits at 4 and 20.
const SEALED_MAX: usize = 3;
const LEVEL0_MAX: usize = 18;
const BUSY_MAX: Duration = Duration::from_secs(10);
const BUSY_STEP: Duration = Duration::from_millis(5);

/// The one keyspace.
const KEYSPACE: &str = "prism";

/// Without this file, fjall would begin anew instead of failing; without a tree's manifest, it would remove the tree.
const VERSION: &str = "version";
const TREES: [&str; 2] = ["keyspaces/0", "keyspaces/1"];
/// The folder of a tree's tables.
const TABLES: &str = "tables";

/// Opens fjall's engines.
#[derive(Clone, Copy, Debug)]
pub struct Lsm {
    /// Memory for blocks of tables.
    pub cache_bytes: u64,
    /// When what is in memory is written to a table.
    pub memtable_bytes: u64,
    /// Whether the files are checked before they are opened. Tests turn that off, to see that they notice.
    pub checks: bool,
}

struct Open {
    database: Database,
    keyspace: Keyspace,
}

struct Committed {
    snapshot: Snapshot,
    keyspace: Keyspace,
}

impl Lsm {
    /// With the usual sizes of tables.
    #[must_use]
    pub fn new(cache_bytes: u64) -> Self {
        Self { cache_bytes, memtable_bytes: 16 << 20, checks: true }
    }

    fn database(self, folder: &Path, is_new: bool) -> Result<Box<dyn Engine>, Fault> {
        // fjall asserts some of what it reads.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let database = Database::builder(folder)
                .cache_size(self.cache_bytes)
                .max_journaling_size(JOURNAL_BYTES)
                .max_cached_files(Some(FILES_MAX))
                .worker_threads(THREADS)
                .open()?;
            let options = || KeyspaceCreateOptions::default().max_memtable_size(self.memtable_bytes);
            if !is_new && !database.keyspace_exists(KEYSPACE) {
                return Err(fjall::Error::Unrecoverable);
            }
            let keyspace = database.keyspace(KEYSPACE, options)?;
            Ok(Open { database, keyspace })
        }));
        match opened {
            Ok(opened) => Ok(Box::new(opened.map_err(fault)?)),
            Err(panic) => Err(Fault::Damaged(words(&*panic).to_owned())),
        }
    }
}

impl Opener for Lsm {
    fn create(&self, folder: &Path) -> Result<Box<dyn Engine>, Fault> {
        let engine = self.database(folder, true)?;
        engine.sync()?;
        Ok(engine)
    }

    fn open(&self, folder: &Path, after: After) -> Result<Box<dyn Engine>, Fault> {
        if !self.checks {
            return self.database(folder, false);
        }
        let version = folder.join(VERSION);
        if !version.try_exists()? {
            return Err(Fault::Damaged(format!("{} is missing", version.display())));
        }
        for tree in TREES {
            manifest::check(&folder.join(tree))?;
        }
        let found = journal::recover(folder, after)?;
        let engine = self.database(folder, false)?;
        let number =
            layout::numbers(engine.view().get(layout::BATCH)?.as_deref()).map_or(0, |(number, _)| number);
        match found {
            Some(journaled) if number != journaled => Err(Fault::Damaged(format!(
                "the journal ends with batch {journaled}, and the tables with batch {number}"
            ))),
            _ if matches!(after, After::Close(last) if last != number) => Err(Fault::Damaged(format!(
                "the last batch is {number}, and another one was when the store was closed"
            ))),
            _ => Ok(engine),
        }
    }
}

impl Engine for Open {
    fn view(&self) -> Box<dyn View> {
        Box::new(Committed { snapshot: self.database.snapshot(), keyspace: self.keyspace.clone() })
    }

    fn commit(&self, batch: &Batch, flush: Flush) -> Result<(), Fault> {
        self.wait_for_tables()?;
        let mode = match flush {
            Flush::Now => PersistMode::SyncData,
            Flush::Later => PersistMode::Buffer,
        };
        let mut write = self.database.batch().durability(Some(mode));
        for (key, value) in &batch.changes {
            match value {
                Some(value) => write.insert(&self.keyspace, key.as_slice(), value.as_ref()),
                None => write.remove(&self.keyspace, key.as_slice()),
            }
        }
        write.insert(&self.keyspace, layout::BATCH, layout::numbered(batch.number, batch.synced));
        write.commit().map_err(fault)
    }

    fn sync(&self) -> Result<(), Fault> {
        self.database.persist(PersistMode::SyncAll).map_err(fault)
    }

    fn leftovers(&self) -> Result<Leftovers, Fault> {
        if self.database.active_compactions() > 0 || self.keyspace.sealed_memtable_count() > 0 {
            return Ok(Leftovers::Later);
        }
        let tables = self.keyspace.path().join(TABLES).read_dir()?.count();
        let is_clean = tables <= self.keyspace.table_count() && self.database.journal_count() <= 1;
        Ok(if is_clean { Leftovers::None } else { Leftovers::Some })
    }

    fn free_leftovers(&self) -> Result<(), Fault> {
        // Frees what the versions before have, and what it writes frees the journals.
        self.keyspace.rotate_memtable().map(drop).map_err(fault)
    }

    fn figures(&self) -> Figures {
        let journal_bytes = self.database.journal_disk_space().unwrap_or_default();
        Figures {
            disk_bytes: self.database.disk_space().unwrap_or_default(),
            journal_bytes,
            compactions: self.database.compactions_completed() as u64,
        }
    }
}

impl Open {
    fn wait_for_tables(&self) -> Result<(), Fault> {
        let behind = || {
            self.keyspace.sealed_memtable_count() >= SEALED_MAX
                || self.keyspace.l0_table_count() >= LEVEL0_MAX
        };
        if !behind() {
            return Ok(());
        }
        let begun = Instant::now();
        while begun.elapsed() < BUSY_MAX {
            sleep(BUSY_STEP);
            if !behind() {
                return Ok(());
            }
        }
        Err(Fault::Busy)
    }
}

impl View for Committed {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Fault> {
        let value = self.snapshot.get(&self.keyspace, key).map_err(fault)?;
        // A copy: the value may be a part of a block, which it would keep in memory.
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), Fault> {
        each(self.snapshot.range(&self.keyspace, from..to), visit)
    }

    fn scan_back(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), Fault> {
        each(self.snapshot.range(&self.keyspace, from..to).rev(), visit)
    }
}

fn each(items: impl Iterator<Item = fjall::Guard>, visit: &mut Visit<'_>) -> Result<(), Fault> {
    for item in items {
        let (key, value) = item.into_inner().map_err(fault)?;
        if visit(&key, &value) == ControlFlow::Break(()) {
            break;
        }
    }
    Ok(())
}

fn fault(error: fjall::Error) -> Fault {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => error.into(),
        fjall::Error::Poisoned => Fault::Stopped,
        fjall::Error::Locked => Fault::Io("another process has the files open".to_owned()),
        fjall::Error::Storage(error) => Fault::Damaged(format!("{error:?}")),
        error => Fault::Damaged(format!("{error:?}")),
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("an assertion failed")
}
