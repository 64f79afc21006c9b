//! The other engine that was considered, redb: a copy-on-write B-tree. It is measured by the same suite.

use std::ops::ControlFlow;
use std::path::Path;

use bytes::Bytes;
use prism_diskstore::engine::{After, Batch, Engine, Fault, Figures, Flush, Opener, View, Visit};
use redb::{AccessGuard, Database, ReadOnlyTable, ReadableDatabase as _, StorageError, TableDefinition};

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("prism");
const FILE: &str = "redb";

/// Opens redb's engines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Redb;

struct Open(Database);

struct Committed(ReadOnlyTable<&'static [u8], &'static [u8]>);

fn fault(error: impl Into<redb::Error>) -> Fault {
    match error.into() {
        redb::Error::Io(error) => error.into(),
        error => Fault::Damaged(error.to_string()),
    }
}

impl Opener for Redb {
    fn create(&self, folder: &Path) -> Result<Box<dyn Engine>, Fault> {
        std::fs::create_dir(folder)?;
        let database = Database::create(folder.join(FILE)).map_err(fault)?;
        let write = database.begin_write().map_err(fault)?;
        write.open_table(TABLE).map_err(fault)?;
        write.commit().map_err(fault)?;
        std::fs::File::open(folder)?.sync_all()?;
        Ok(Box::new(Open(database)))
    }

    fn open(&self, folder: &Path, _: After) -> Result<Box<dyn Engine>, Fault> {
        Ok(Box::new(Open(Database::open(folder.join(FILE)).map_err(fault)?)))
    }
}

impl Engine for Open {
    fn view(&self) -> Box<dyn View> {
        let read = self.0.begin_read().unwrap();
        Box::new(Committed(read.open_table(TABLE).unwrap()))
    }

    fn commit(&self, batch: &Batch, flush: Flush) -> Result<(), Fault> {
        let mut write = self.0.begin_write().map_err(fault)?;
        if flush == Flush::Later {
            write.set_durability(redb::Durability::None).map_err(fault)?;
        }
        {
            let mut table = write.open_table(TABLE).map_err(fault)?;
            for (key, value) in &batch.changes {
                match value {
                    Some(value) => drop(table.insert(key.as_slice(), value.as_ref()).map_err(fault)?),
                    None => drop(table.remove(key.as_slice()).map_err(fault)?),
                }
            }
            let mut numbers = [0; 16];
            numbers[..8].copy_from_slice(&batch.number.to_be_bytes());
            numbers[8..].copy_from_slice(&batch.synced.to_be_bytes());
            table.insert(b"B".as_slice(), numbers.as_slice()).map_err(fault)?;
        }
        write.commit().map_err(fault)
    }

    fn sync(&self) -> Result<(), Fault> {
        self.0.begin_write().map_err(fault)?.commit().map_err(fault)
    }

    fn figures(&self) -> Figures {
        Figures::default()
    }
}

impl View for Committed {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Fault> {
        Ok(self.0.get(key).map_err(fault)?.map(|value| Bytes::copy_from_slice(value.value())))
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), Fault> {
        each(self.0.range(from..to).map_err(fault)?, visit)
    }

    fn scan_back(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), Fault> {
        each(self.0.range(from..to).map_err(fault)?.rev(), visit)
    }
}

type Item<'a> = Result<(AccessGuard<'a, &'static [u8]>, AccessGuard<'a, &'static [u8]>), StorageError>;

fn each<'a>(items: impl Iterator<Item = Item<'a>>, visit: &mut Visit<'_>) -> Result<(), Fault> {
    for item in items {
        let (key, value) = item.map_err(fault)?;
        if visit(key.value(), value.value()) == ControlFlow::Break(()) {
            break;
        }
    }
    Ok(())
}
