//! What the committer, the calls and the figures share.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use crate::cache::Cache;
use crate::config::Live;
use crate::engine::{After, Engine, Fault, Opener, View};
use crate::figures::Figures;
use crate::folder::Folder;
use crate::layout::{self, Record};
use crate::leases::Leases;
use crate::state::{Known, State};
use crate::waiters::Waiters;

pub(crate) struct Shared {
    opener: Arc<dyn Opener>,
    pub(crate) folder: Folder,
    /// `None` if it could not be opened again. Readers hold the lock while they read, and only opening it again takes it for
    /// writing.
    engine: RwLock<Option<Box<dyn Engine>>>,
    pub(crate) cache: Cache,
    pub(crate) waiters: Waiters,
    pub(crate) leases: Leases,
    settings: Mutex<Live>,
    pub(crate) state: Known,
    /// Whether writes are refused because the disk is full.
    pub(crate) is_full: AtomicBool,
    pub(crate) figures: Figures,
}

impl Shared {
    pub(crate) fn new(
        opener: Arc<dyn Opener>,
        folder: Folder,
        engine: Box<dyn Engine>,
        live: Live,
    ) -> Result<Self, Fault> {
        let leases = Leases::read(&*engine.view())?;
        Ok(Self {
            opener,
            folder,
            engine: RwLock::new(Some(engine)),
            cache: Cache::new(live.records_bytes()),
            waiters: Waiters::default(),
            leases,
            settings: Mutex::new(live),
            state: Known::new(),
            is_full: AtomicBool::new(false),
            figures: Figures::default(),
        })
    }

    pub(crate) fn settings(&self) -> Live {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, live: Live) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = live;
        self.cache.set_bytes(live.records_bytes());
    }

    /// The engine. Blocks while it is opened again.
    pub(crate) fn engine(&self) -> RwLockReadGuard<'_, Option<Box<dyn Engine>>> {
        self.engine.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a view of what is committed. Blocks.
    pub(crate) fn read<R>(&self, read: impl FnOnce(&dyn View) -> Result<R, Fault>) -> Result<R, Fault> {
        match self.engine().as_deref() {
            Some(engine) => read(&*engine.view()),
            None => Err(Fault::Stopped),
        }
    }

    /// The record of a key, from the cache or the engine. Blocks.
    pub(crate) fn record(&self, key: &[u8]) -> Result<Option<Record>, Fault> {
        self.cache.get_or_read(key, || {
            let Some(encoded) = self.read(|view| view.get(key))? else { return Ok(None) };
            Record::decode(encoded)
                .map(Some)
                .ok_or_else(|| Fault::Damaged("a record has no deadline".to_owned()))
        })
    }

    /// Opens the engine again, without the batches after number `last`.
    pub(crate) fn open_again(&self, last: u64) -> Result<(), Fault> {
        let mut engine = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        // The files are locked while it is open.
        *engine = None;
        *engine = Some(self.opener.open(&self.folder.data(), After::Fault(last))?);
        Ok(())
    }

    /// Closes the engine, and records that the store is whole. Nothing reads or writes any more.
    pub(crate) fn close(&self) {
        let engine = self.engine.write().unwrap_or_else(PoisonError::into_inner).take();
        let Some(engine) = engine.filter(|_| self.state.get() == State::Ready) else { return };
        let number = engine.view().get(layout::BATCH);
        drop(engine);
        let closed = match number {
            Ok(number) => {
                self.folder.close(layout::numbers(number.as_deref()).map_or(0, |(number, _)| number))
            }
            Err(fault) => Err(std::io::Error::other(fault.to_string())),
        };
        if let Err(error) = closed {
            tracing::warn!(%error, "the files of the store cannot be recorded; a copy of it cannot be checked");
        }
    }
}
