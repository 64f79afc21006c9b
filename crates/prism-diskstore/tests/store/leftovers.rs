//! Files that the engine keeps although nothing needs them.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::yield_now;
use std::time::Duration;

use bytes::Bytes;
use prism_diskstore::DiskStore;
use prism_diskstore::engine::{After, Batch, Engine, Fault, Figures, Flush, Leftovers, Opener, View};
use prism_diskstore::lsm::Lsm;

use crate::support::{get, set, settings};

/// Tables as small as fjall makes them, so that they are merged soon.
const LSM: Lsm = Lsm { cache_bytes: 1 << 20, memtable_bytes: 64 << 10, checks: true };

/// What an engine keeps once it does nothing.
fn kept(engine: &dyn Engine) -> Leftovers {
    loop {
        match engine.leftovers().unwrap() {
            Leftovers::Later => yield_now(),
            kept => return kept,
        }
    }
}

#[test]
fn merged_tables_are_freed_although_nothing_else_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let engine = LSM.create(&folder.path().join("data")).unwrap();
    let mut number = 0;
    let mut commit = |values: usize| {
        number += 1;
        let value = Some(Bytes::from(vec![b'v'; 1024]));
        let changes = (0..values).map(|key| (key.to_be_bytes().to_vec(), value.clone())).collect();
        engine.commit(&Batch { number, synced: 0, changes }, Flush::Later).unwrap();
    };
    while kept(&*engine) != Leftovers::Some {
        commit(100);
    }
    let mut tries = 0;
    while kept(&*engine) == Leftovers::Some {
        tries += 1;
        assert!(tries <= 5, "merged tables are still there");
        commit(0);
        engine.free_leftovers().unwrap();
    }
    for key in 0..100_usize {
        assert_eq!(engine.view().get(&key.to_be_bytes()).unwrap().map(|value| value.len()), Some(1024));
    }
}

/// Opens engines that keep files until they have been told twice to free them.
struct Untidy(Mutex<Sender<u64>>);

struct Kept {
    engine: Box<dyn Engine>,
    committed: Mutex<u64>,
    freed: Mutex<u64>,
    told: Sender<u64>,
}

impl Opener for Untidy {
    fn create(&self, folder: &Path) -> Result<Box<dyn Engine>, Fault> {
        let engine = Lsm::new(8 << 20).create(folder)?;
        let told = self.0.lock().unwrap().clone();
        Ok(Box::new(Kept { engine, committed: Mutex::new(0), freed: Mutex::new(0), told }))
    }

    fn open(&self, _: &Path, _: After) -> Result<Box<dyn Engine>, Fault> {
        unreachable!("it is opened once")
    }
}

impl Engine for Kept {
    fn view(&self) -> Box<dyn View> {
        self.engine.view()
    }

    fn commit(&self, batch: &Batch, flush: Flush) -> Result<(), Fault> {
        *self.committed.lock().unwrap() = batch.number;
        self.engine.commit(batch, flush)
    }

    fn sync(&self) -> Result<(), Fault> {
        self.engine.sync()
    }

    fn leftovers(&self) -> Result<Leftovers, Fault> {
        Ok(if *self.freed.lock().unwrap() < 2 { Leftovers::Some } else { Leftovers::None })
    }

    fn free_leftovers(&self) -> Result<(), Fault> {
        *self.freed.lock().unwrap() += 1;
        self.told.send(*self.committed.lock().unwrap()).unwrap();
        Ok(())
    }

    fn figures(&self) -> Figures {
        self.engine.figures()
    }
}

#[tokio::test]
async fn a_store_frees_files_once_it_is_idle_and_until_none_are_left() {
    let folder = tempfile::tempdir().unwrap();
    let (told, freed): (_, Receiver<u64>) = channel();
    let opener = Arc::new(Untidy(Mutex::new(told)));
    let store = DiskStore::open_with(&settings(folder.path()), opener).unwrap();
    set(&store, "k", "v", None).await.unwrap();
    // Each time after a batch of its own, which the engine needs for it.
    assert_eq!(freed.recv_timeout(Duration::from_secs(30)), Ok(2));
    assert_eq!(freed.recv_timeout(Duration::from_secs(30)), Ok(3));
    assert_eq!(freed.recv_timeout(Duration::from_secs(3)), Err(RecvTimeoutError::Timeout), "none are left");
    assert_eq!(get(&store, "k").await.unwrap(), "v");
}
