//! The one thread that writes. It gathers the writes that wait, runs them one after the other, commits what they changed as
//! one batch, and then answers all of them: the cost of a sync is shared by all who wait for it.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use prism_plugin::Error;

use crate::clock::{self, Watch};
use crate::config::{Durability, SYNC_EVERY};
use crate::engine::{Batch, Engine, Fault, Flush, Leftovers};
use crate::expiry::sweep;
use crate::fault::{below_floor, refused, uncommitted};
use crate::folder::room;
use crate::home::{Answer, Home};
use crate::layout::{self, Record};
use crate::lists::{end_leases, put_back};
use crate::shared::Shared;
use crate::state::State;
use crate::txn::Txn;
use crate::waiters::Returned;

/// The most that a batch gathers: what one sync is worth, and what is held in memory twice.
const BATCH_WRITES: usize = 1024;
const BATCH_BYTES: usize = 8 << 20;

/// How many leases that have ended are returned together: each has at most the values of one message.
const BATCH_LEASES: usize = 16;

/// How often expired keys are freed, ended leases are returned, the clock is watched, and a store that failed is opened again.
const TICK: Duration = Duration::from_millis(250);

/// How often a store in a bad state is opened again.
const HEAL_EVERY: Duration = Duration::from_secs(1);

/// The room that opening the engine again takes, a new journal, and more than a table in memory.
const HEAL_ROOM: u64 = 96 << 20;

/// When a store is idle, and may spend its time on freeing files.
const IDLE: Duration = Duration::from_secs(2);
const SETTLE_TRIES: u32 = 5;

/// How long what is known about the disk's room is good for. Within it, a disk can take in some hundred MiB.
const ROOM_FOR: Duration = Duration::from_millis(100);

/// A write that waits.
pub(crate) struct Write {
    /// Whether it may make the store larger.
    pub(crate) grows: bool,
    /// About how many bytes it adds.
    pub(crate) bytes: usize,
    pub(crate) run: Run,
    /// Where it is answered; `None` if nobody waits.
    pub(crate) home: Option<Arc<Home>>,
}

/// Runs a write, and returns what answers it once it is known whether the batch was committed.
pub(crate) type Run = Box<dyn FnOnce(Result<&mut Txn<'_>, Error>) -> Answer + Send>;

pub(crate) struct Committer {
    shared: Arc<Shared>,
    waiting: Receiver<Write>,
    /// The number of the last batch, and of the last that survives a power loss.
    number: u64,
    synced: u64,
    synced_at: Instant,
    swept_at: Instant,
    heal_at: Instant,
    /// Free bytes, and when that was so.
    room: Option<(u64, Instant)>,
    clock: Watch,
    /// When something was written, or files were freed; and how often the engine may still free some before something else is written.
    written_at: Instant,
    settling: u32,
}

impl Committer {
    pub(crate) fn new(shared: Arc<Shared>, waiting: Receiver<Write>, number: u64) -> Self {
        let now = Instant::now();
        Self {
            shared,
            waiting,
            number,
            synced: number,
            synced_at: now,
            swept_at: now,
            heal_at: now,
            room: None,
            clock: Watch::start(),
            written_at: now,
            settling: 0,
        }
    }

    /// Works until nobody can write any more.
    pub(crate) fn run(mut self) {
        loop {
            match self.waiting.recv_timeout(TICK) {
                Ok(first) => self.batch(first),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.tick();
        }
        if self.shared.state.get() == State::Ready {
            self.apply(Vec::new());
            self.sync();
        }
    }

    fn batch(&mut self, first: Write) {
        let mut bytes = first.bytes;
        let mut writes = vec![first];
        while writes.len() < BATCH_WRITES && bytes < BATCH_BYTES {
            let Ok(write) = self.waiting.try_recv() else { break };
            bytes += write.bytes;
            writes.push(write);
        }
        self.heal();
        match self.shared.state.get() {
            State::Ready => self.apply(writes),
            State::Healing { error, .. } | State::Failed { error, .. } => {
                let error = match self.shared.is_full.load(Relaxed) {
                    true => crate::fault::full(),
                    false => refused(&error),
                };
                let refuse = |write: Write| (write.home, (write.run)(Err(error.clone())));
                answer_all(writes.into_iter().map(refuse), &Ok(()));
            }
        }
    }

    fn apply(&mut self, writes: Vec<Write>) {
        let begun = Instant::now();
        let floor = self.floor();
        let shared = Arc::clone(&self.shared);
        let engine = shared.engine();
        let Some(engine) = engine.as_deref() else { return };
        let now = clock::now();
        self.end_leases(engine, now);
        let mut txn = Txn::new(engine, &shared.cache, &shared.waiters, now);
        let returned = shared.waiters.returned();
        let returned = put_back_all(&mut txn, returned);
        let count = writes.len();
        let mut answers = Vec::with_capacity(count);
        for write in writes {
            let answer = match &floor {
                Some(error) if write.grows => (write.run)(Err(error.clone())),
                _ => (write.run)(Ok(&mut txn)),
            };
            answers.push((write.home, answer));
        }
        let handed = mem::take(&mut txn.handed);
        let committed = self.commit(engine, txn);
        let result = committed.as_ref().map_err(uncommitted).copied();
        // Before anybody is answered, so that the next call meets the state that its caller knows of.
        if let Err(fault) = &committed {
            self.failed(fault);
        }
        if committed.is_err() {
            shared.waiters.give_back(returned);
        }
        shared.waiters.hand_over(handed, &result);
        answer_all(answers, &result);
        shared.figures.batch(count as u64, begun.elapsed());
    }

    /// Returns the values of leases that have ended, some at a time.
    fn end_leases(&mut self, engine: &dyn Engine, now: u64) {
        let shared = Arc::clone(&self.shared);
        for keys in shared.leases.ended(now, usize::MAX).chunks(BATCH_LEASES) {
            let mut txn = Txn::new(engine, &shared.cache, &shared.waiters, now);
            end_leases(&mut txn, keys.to_vec());
            let handed = mem::take(&mut txn.handed);
            let committed = self.commit(engine, txn);
            if let Err(fault) = &committed {
                self.failed(fault);
            }
            let result = committed.as_ref().map_err(uncommitted).copied();
            shared.waiters.hand_over(handed, &result);
            if result.is_err() {
                return;
            }
        }
    }

    /// Commits what the writes have changed, and brings the cache up to date.
    fn commit(&mut self, engine: &dyn Engine, txn: Txn<'_>) -> Result<(), Fault> {
        let changes = txn.into_changes();
        if changes.is_empty() {
            return Ok(());
        }
        self.commit_changes(engine, changes)?;
        self.written_at = Instant::now();
        self.settling = SETTLE_TRIES;
        Ok(())
    }

    fn commit_changes(
        &mut self,
        engine: &dyn Engine,
        changes: Vec<(Vec<u8>, Option<Bytes>)>,
    ) -> Result<(), Fault> {
        let flush = match self.shared.settings().durability {
            Durability::EveryWrite => Flush::Now,
            Durability::Periodic | Durability::Never => Flush::Later,
        };
        let batch = Batch { number: self.number + 1, synced: self.synced, changes };
        engine.commit(&batch, flush)?;
        self.number = batch.number;
        if flush == Flush::Now {
            self.synced = self.number;
        }
        for (key, value) in batch.changes {
            self.shared.leases.changed(&key, value.as_deref());
            if layout::is_value(&key) {
                self.shared.cache.put(key, value.and_then(Record::decode));
            }
        }
        Ok(())
    }

    fn tick(&mut self) {
        self.heal();
        let is_due =
            self.shared.waiters.have_returned() || !self.shared.leases.ended(clock::now(), 1).is_empty();
        if is_due && self.shared.state.get() == State::Ready {
            self.apply(Vec::new());
        }
        if self.swept_at.elapsed() >= TICK && self.shared.state.get() == State::Ready {
            self.swept_at = Instant::now();
            self.clock.check();
            self.sweep();
        }
        if self.shared.settings().durability == Durability::Periodic
            && self.synced < self.number
            && self.synced_at.elapsed() >= SYNC_EVERY
            && self.shared.state.get() == State::Ready
        {
            self.sync();
        }
        if self.settling > 0 && self.written_at.elapsed() >= IDLE && self.shared.state.get() == State::Ready {
            self.settle();
        }
    }

    /// Has the engine free the files that it keeps for nothing. What that writes may lead it to leave others, so there are a few tries.
    fn settle(&mut self) {
        let shared = Arc::clone(&self.shared);
        let engine = shared.engine();
        let Some(engine) = engine.as_deref() else { return };
        // It writes a table, and a store that nobody needs to write to shall not fail for that on a full disk.
        let has_room = room(shared.folder.path()).is_ok_and(|(free, _)| free >= HEAL_ROOM);
        match engine.leftovers() {
            Ok(Leftovers::Later) => return,
            Ok(Leftovers::Some) if has_room => {}
            Ok(Leftovers::Some | Leftovers::None) => {
                self.settling = 0;
                return;
            }
            Err(fault) => {
                tracing::warn!(%fault, "the files of the store cannot be listed; what nothing needs stays until more is written");
                self.settling = 0;
                return;
            }
        }
        self.settling -= 1;
        self.written_at = Instant::now();
        let freed = self.commit_changes(engine, Vec::new()).and_then(|()| engine.free_leftovers());
        if let Err(fault) = freed {
            self.failed(&fault);
        }
    }

    /// Frees some of the keys that have expired, as one batch.
    fn sweep(&mut self) {
        let shared = Arc::clone(&self.shared);
        let engine = shared.engine();
        let Some(engine) = engine.as_deref() else { return };
        let mut txn = Txn::new(engine, &shared.cache, &shared.waiters, clock::now());
        let swept = match sweep(&mut txn) {
            Ok(swept) => swept,
            Err(error) => return tracing::error!(%error, "expired keys cannot be freed"),
        };
        match self.commit(engine, txn) {
            Ok(()) => {
                shared.figures.expired.fetch_add(swept.freed, Relaxed);
                // The rest at the next tick, which comes at once if nobody writes.
                if swept.more {
                    self.swept_at -= TICK;
                }
            }
            Err(fault) => self.failed(&fault),
        }
    }

    fn sync(&mut self) {
        let shared = Arc::clone(&self.shared);
        let engine = shared.engine();
        let Some(engine) = engine.as_deref() else { return };
        let begun = Instant::now();
        match engine.sync() {
            Ok(()) => self.synced = self.number,
            Err(fault) => self.failed(&fault),
        }
        shared.figures.sync(begun.elapsed());
        self.synced_at = Instant::now();
    }

    /// Why writes that grow are refused: the disk has less room than the floor.
    fn floor(&mut self) -> Option<Error> {
        let min_free = self.shared.settings().min_free;
        if min_free == 0 {
            return None;
        }
        let free = match self.room {
            Some((free, at)) if at.elapsed() < ROOM_FOR => free,
            _ => {
                let (free, _) = room(self.shared.folder.path()).ok()?;
                self.room = Some((free, Instant::now()));
                free
            }
        };
        (free < min_free).then(|| below_floor(free, min_free))
    }

    fn failed(&mut self, fault: &Fault) {
        self.shared.is_full.store(*fault == Fault::Full, Relaxed);
        self.heal_at = Instant::now() + HEAL_EVERY;
        match fault {
            Fault::Full | Fault::Stopped | Fault::Busy => self.shared.state.healing(&fault.to_string()),
            Fault::Io(_) | Fault::Damaged(_) => self.shared.state.failed(&fault.to_string()),
        }
    }

    /// Opens the engine again, after a fault which that heals.
    fn heal(&mut self) {
        let State::Healing { .. } = self.shared.state.get() else { return };
        if Instant::now() < self.heal_at {
            return;
        }
        self.heal_at = Instant::now() + HEAL_EVERY;
        if room(self.shared.folder.path()).is_ok_and(|(free, _)| free < HEAL_ROOM) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        match shared.open_again(self.number) {
            Ok(()) => {
                self.synced = self.number;
                shared.is_full.store(false, Relaxed);
                shared.state.ready();
            }
            Err(Fault::Full | Fault::Busy | Fault::Stopped) => {}
            Err(fault) => shared.state.failed(&fault.to_string()),
        }
    }
}

/// Answers the writes of a batch, and wakes each runtime in which some of them wait once.
fn answer_all(answers: impl IntoIterator<Item = (Option<Arc<Home>>, Answer)>, committed: &Result<(), Error>) {
    let mut left_at = Vec::new();
    for (home, answer) in answers {
        match home {
            None => answer(committed.clone()),
            Some(home) => {
                if home.leave(answer, committed.clone()) {
                    left_at.push(home);
                }
            }
        }
    }
    left_at.iter().for_each(|home| home.wake());
}

/// Puts values back that nobody took, and returns those that are put back once the batch is committed. What cannot be put back now waits
/// for the next batch.
fn put_back_all(txn: &mut Txn<'_>, returned: Vec<Returned>) -> Vec<Returned> {
    let (done, failed): (Vec<_>, Vec<_>) = returned.into_iter().partition(|returned| {
        let Returned { place, given, call, .. } = returned;
        let put = txn.step(|txn| put_back(txn, place, given, call.as_ref()));
        if let Err(error) = &put {
            tracing::error!(%error, list = %&*place.1, "a value that nobody took cannot be put back");
        }
        put.is_ok()
    });
    txn.waiters.give_back(failed);
    done
}
