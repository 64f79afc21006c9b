//! The store's public handle: opening, and how calls reach the committer and the engine.

use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use prism_grpc::head;
use prism_plugin::{Applied, Context, Error, ErrorReason};
use tokio::sync::{oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use crate::clock;
use crate::committer::{Committer, Run, Write};
use crate::config::{Live, Settings};
use crate::engine::{Fault, Opener, View};
use crate::fault::{error, refused};
use crate::folder::{Folder, Holds, room};
use crate::home::Home;
use crate::layout::{self, Record};
use crate::lsm::Lsm;
use crate::shared::Shared;
use crate::state::State;
use crate::txn::Txn;
use crate::verify::{self, Report};

/// Writes that may wait for the committer. More calls than that are in flight only if the process allows it.
const WAITING_MAX: usize = 32 * 1024;

/// How long a write without a deadline may take.
const WRITE_MAX: Duration = Duration::from_secs(30);

/// A store on disk: implements [`KeyValue`](prism_plugin::KeyValue) and [`List`](prism_plugin::List). Clones are handles to
/// the same store, which is closed when the last one is dropped.
#[derive(Clone)]
pub struct DiskStore {
    pub(crate) shared: Arc<Shared>,
    handle: Arc<Handle>,
}

/// Ends the committer and closes the store.
struct Handle {
    shared: Arc<Shared>,
    writes: Mutex<Option<SyncSender<Write>>>,
    committer: Mutex<Option<JoinHandle<()>>>,
}

impl DiskStore {
    /// Opens the store in a folder, or creates one if the folder is empty or missing. Blocks.
    ///
    /// # Errors
    /// A sentence with the path and what to do: the folder is not a store, is damaged, from a newer version, open elsewhere,
    /// or cannot be used.
    pub fn open(settings: &Settings) -> Result<Self, String> {
        Self::open_with(settings, Arc::new(Lsm::new(settings.live.blocks_bytes())))
    }

    /// The same, with another engine: for tests.
    ///
    /// # Errors
    /// As [`DiskStore::open`].
    #[doc(hidden)]
    pub fn open_with(settings: &Settings, opener: Arc<dyn Opener>) -> Result<Self, String> {
        let path = &settings.path;
        let (folder, holds) = Folder::lock(path)?;
        check_floor(path, settings.live)?;
        let engine = match holds {
            Holds::Nothing => folder.create(|data| opener.create(data))?,
            Holds::Store => {
                let after = folder.check_whole()?;
                let engine = opener.open(&folder.data(), after).map_err(|fault| unusable(path, &fault))?;
                folder.reopen()?;
                engine
            }
        };
        let number = engine.view().get(layout::BATCH).map_err(|fault| unusable(path, &fault))?;
        let number = layout::numbers(number.as_deref()).map_or(0, |(number, _)| number);
        // What the process before left unsynced is synced now, so that every later batch may say so.
        engine.sync().map_err(|fault| unusable(path, &fault))?;
        let shared = Shared::new(opener, folder, engine, settings.live);
        Self::start(shared.map_err(|fault| unusable(path, &fault))?, number)
    }

    fn start(shared: Shared, number: u64) -> Result<Self, String> {
        let shared = Arc::new(shared);
        let (writes, waiting) = sync_channel(WAITING_MAX);
        let committer = Committer::new(Arc::clone(&shared), waiting, number);
        let known = Arc::clone(&shared);
        let run = move || {
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| committer.run()));
            if ended.is_err() {
                known.state.failed("the thread that writes has panicked, which is a bug");
            }
        };
        let committer = thread::Builder::new().name("diskstore".to_owned()).spawn(run);
        let committer = committer.map_err(|error| format!("cannot start a thread: {error}"))?;
        let handle = Arc::new(Handle {
            shared: Arc::clone(&shared),
            writes: Mutex::new(Some(writes)),
            committer: Mutex::new(Some(committer)),
        });
        Ok(Self { shared, handle })
    }

    /// Closes it once the writes that wait are committed, although there are other handles. Blocks.
    pub(crate) fn close(&self) {
        self.handle.close();
    }

    /// Whether it accepts writes.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared.state.get()
    }

    /// Reports each change of the state.
    pub(crate) fn watch(&self) -> watch::Receiver<State> {
        self.shared.state.watch()
    }

    /// Reads everything and compares what depends on each other. Blocks.
    ///
    /// # Errors
    /// What is damaged.
    #[doc(hidden)]
    pub fn verify(&self) -> Result<Report, String> {
        self.shared.read(verify::everything).map_err(|fault| fault.to_string())
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.shared.folder.path()
    }

    /// Changes what can be changed while it is open.
    pub(crate) fn set(&self, live: Live) {
        self.shared.set(live);
    }

    /// The live record of a key. Waits only if it is not in the cache.
    pub(crate) async fn live(&self, key: Vec<u8>) -> Result<Option<Record>, Error> {
        let record = match self.shared.cache.get(&key) {
            Some(record) => record,
            None => self.blocking(move |shared| shared.record(&key)).await?,
        };
        Ok(record.filter(|record| record.is_live(clock::now())))
    }

    /// Reads a view of what is committed, where waiting for the disk holds up nobody.
    pub(crate) async fn read<R: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn View) -> Result<R, Fault> + Send + 'static,
    ) -> Result<R, Error> {
        self.blocking(move |shared| shared.read(read)).await
    }

    /// Bytes of the store on disk, and bytes that are free there.
    pub(crate) async fn room(&self) -> Result<(u64, u64), Error> {
        self.blocking(|shared| {
            let used = shared.engine().as_ref().map_or(0, |engine| engine.figures().disk_bytes);
            let (free, _) = room(shared.folder.path())?;
            Ok((used, free))
        })
        .await
    }

    pub(crate) async fn blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<R, Fault> + Send + 'static,
    ) -> Result<R, Error> {
        let shared = Arc::clone(&self.shared);
        match spawn_blocking(move || work(&shared)).await {
            Ok(result) => result.map_err(|fault| error(&fault)),
            Err(_) => Err(Error::new(ErrorReason::Internal, "reading has panicked, which is a bug")),
        }
    }

    /// Hands a write to the committer and waits until it is committed. `grows`: it may make the store larger, by about
    /// `bytes`. It is one atomic step: if it fails, nothing has changed. If the call may be repeated, the answer for its result is
    /// recorded in the same step.
    pub(crate) async fn write<R: Send + 'static>(
        &self,
        context: &Context,
        grows: bool,
        bytes: usize,
        write: impl FnOnce(&mut Txn<'_>) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        let repeated = context.attempt().map(|_| context.clone());
        let write = move |txn: &mut Txn<'_>| {
            let result = write(txn)?;
            if let Some(attempt) = repeated.as_ref().and_then(Context::attempt) {
                txn.record_answer(attempt, &result)?;
            }
            Ok(result)
        };
        self.batched(context, grows, bytes, |txn| txn.step(write)).await
    }

    /// The same for each of these items, in order and in one batch: each is an atomic step of its own.
    pub(crate) async fn write_each<T: Send + 'static, R: Clone + Send + 'static>(
        &self,
        context: &Context,
        grows: bool,
        bytes: usize,
        items: Vec<T>,
        mut write: impl FnMut(&mut Txn<'_>, T) -> Result<R, Error> + Send + 'static,
    ) -> Vec<Result<R, Error>> {
        let count = items.len();
        let each = move |txn: &mut Txn<'_>| {
            Ok(items.into_iter().map(|item| txn.step(|txn| write(txn, item))).collect())
        };
        self.batched(context, grows, bytes, each).await.unwrap_or_else(|error| vec![Err(error); count])
    }

    /// Hands something that consists of steps to the committer, and waits until they are committed. Records no answer.
    pub(crate) async fn batched<R: Send + 'static>(
        &self,
        context: &Context,
        grows: bool,
        bytes: usize,
        write: impl FnOnce(&mut Txn<'_>) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        let (answer, answered) = oneshot::channel();
        let run: Run = Box::new(move |txn| {
            let result = txn.and_then(write);
            Box::new(move |committed: Result<(), Error>| {
                // Nobody may wait any more.
                drop(answer.send(committed.and(result)));
            })
        });
        self.send(Write { grows, bytes, run, home: Some(Home::here()) })?;
        let deadline = context.deadline();
        let limit = deadline.unwrap_or_else(|| Instant::now() + WRITE_MAX);
        match timeout_at(limit, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(lost("the thread that writes has ended")),
            Err(_) if deadline.is_some() => Err(head::deadline_exceeded(true)),
            Err(_) => Err(lost("the disk did not take the write in time")),
        }
    }

    /// Makes the committer write what returned from those who waited for it. If it is busy, it does so anyway.
    pub(crate) fn write_what_returned(&self) {
        let run: Run = Box::new(|_| Box::new(|_| {}));
        drop(self.send(Write { grows: false, bytes: 0, run, home: None }));
    }

    fn send(&self, write: Write) -> Result<(), Error> {
        let writes = self.handle.writes.lock().unwrap_or_else(PoisonError::into_inner);
        match writes.as_ref().map(|writes| writes.try_send(write)) {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => Err(Error::new(
                ErrorReason::TooManyInFlight,
                format!("{WAITING_MAX} writes wait for the disk already; retry later"),
            )),
            Some(Err(TrySendError::Disconnected(_))) | None => {
                Err(refused("the thread that writes has ended"))
            }
        }
    }

    pub(crate) fn hits(&self) -> (u64, u64) {
        (self.shared.cache.hits(), self.shared.cache.misses())
    }

    /// Keys that were freed after their deadline.
    pub(crate) fn expired(&self) -> u64 {
        self.shared.figures.expired.load(Relaxed)
    }
}

impl Handle {
    fn close(&self) {
        // The committer ends when nobody can write.
        drop(self.writes.lock().unwrap_or_else(PoisonError::into_inner).take());
        let committer = self.committer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if committer.is_some_and(|committer| committer.join().is_err()) {
            tracing::error!("the thread that writes has panicked");
        }
        self.shared.close();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}

fn lost(why: &str) -> Error {
    Error::unavailable(ErrorReason::BackendLost, Applied::Maybe, format!("{why}; the write may be applied"))
}

fn check_floor(path: &Path, live: Live) -> Result<(), String> {
    let (_, all) = room(path)
        .map_err(|error| format!("cannot read the size of the disk of {}: {error}", path.display()))?;
    if live.min_free > all {
        return Err(format!(
            "min_free is {} bytes, and the disk of {} has {all}: no write would ever be accepted; choose less",
            live.min_free,
            path.display()
        ));
    }
    Ok(())
}

fn unusable(path: &Path, fault: &Fault) -> String {
    let next = match fault {
        Fault::Damaged(_) => "restore it from a copy, or with `prism import` into an empty folder",
        Fault::Full => "make room on its disk",
        _ => "check the disk",
    };
    format!("cannot open the store in {}: {fault}; {next}", path.display())
}
