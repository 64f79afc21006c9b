//! Bugs between the store and its engine, each of which the suite must catch.

use std::path::Path;
use std::sync::{Arc, Mutex};

use prism_diskstore::engine::{After, Batch, Engine, Fault, Figures, Flush, Opener, View};

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Nothing is synced.
    NoSync,
    /// The sync comes before the write.
    SyncBeforeWrite,
    /// A batch is committed after the next one was handed in.
    AcknowledgedBeforeCommit,
    /// Half of a batch is committed before the other.
    TwoBatches,
}

impl Bug {
    pub(crate) const ALL: [Self; 4] =
        [Self::NoSync, Self::SyncBeforeWrite, Self::AcknowledgedBeforeCommit, Self::TwoBatches];
}

/// The engines of another opener, with a bug.
pub(crate) fn opener(real: Arc<dyn Opener>, bug: Bug) -> Arc<dyn Opener> {
    Arc::new(Planted { real, bug })
}

struct Planted {
    real: Arc<dyn Opener>,
    bug: Bug,
}

struct Wrong {
    real: Box<dyn Engine>,
    bug: Bug,
    late: Mutex<Option<(Batch, Flush)>>,
}

impl Planted {
    fn wrap(&self, real: Box<dyn Engine>) -> Box<dyn Engine> {
        Box::new(Wrong { real, bug: self.bug, late: Mutex::default() })
    }
}

impl Opener for Planted {
    fn create(&self, folder: &Path) -> Result<Box<dyn Engine>, Fault> {
        Ok(self.wrap(self.real.create(folder)?))
    }

    fn open(&self, folder: &Path, after: After) -> Result<Box<dyn Engine>, Fault> {
        Ok(self.wrap(self.real.open(folder, after)?))
    }
}

impl Engine for Wrong {
    fn view(&self) -> Box<dyn View> {
        // What is late is visible, as it would be to the callers of a store with this bug.
        if let Some((batch, flush)) = self.late.lock().unwrap().take() {
            self.real.commit(&batch, flush).unwrap();
        }
        self.real.view()
    }

    fn commit(&self, batch: &Batch, flush: Flush) -> Result<(), Fault> {
        match self.bug {
            Bug::NoSync => self.real.commit(batch, Flush::Later),
            Bug::SyncBeforeWrite => {
                self.real.sync()?;
                self.real.commit(batch, Flush::Later)
            }
            Bug::AcknowledgedBeforeCommit => {
                if let Some((batch, flush)) = self.late.lock().unwrap().replace((batch.clone(), flush)) {
                    self.real.commit(&batch, flush)?;
                }
                Ok(())
            }
            Bug::TwoBatches => {
                let (first, second) = batch.changes.split_at(batch.changes.len() / 2);
                let half = |changes: &[_]| Batch { changes: changes.to_vec(), ..batch.clone() };
                // The engine numbers what it gets, as the store would.
                self.real.commit(&Batch { number: batch.number * 2, ..half(first) }, flush)?;
                self.real.commit(&Batch { number: batch.number * 2 + 1, ..half(second) }, flush)
            }
        }
    }

    fn sync(&self) -> Result<(), Fault> {
        self.real.sync()
    }

    fn figures(&self) -> Figures {
        self.real.figures()
    }
}
