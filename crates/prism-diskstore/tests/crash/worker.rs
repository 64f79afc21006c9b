//! The process that is killed: opens a store, makes the calls of a workload and notes which were acknowledged.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use prism_diskstore::DiskStore;
use prism_diskstore::config::{Durability, Live, Settings};
use prism_diskstore::engine::Opener;
use prism_diskstore::lsm::Lsm;

use crate::faults::Act;
use crate::planted::{self, Bug};
use crate::recorder;
use crate::redb::Redb;
use crate::workload::Workload;

/// Set for the process that this module is about.
const VARIABLE: &str = "PRISM_CRASH_WORKER";

/// Which engine a store stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Lsm,
    /// The same without the checks before it is opened: a bug that the suite must catch.
    Unchecked,
    Redb,
}

/// What a worker does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) on: On,
    pub(crate) bug: Option<Bug>,
    pub(crate) durability: Durability,
    pub(crate) workload: Workload,
    /// Whether the store is closed in the end.
    pub(crate) closes: bool,
    /// Whether the calls have idempotency keys, and what is left is compared with the answers on record, which are kept for 2 minutes.
    pub(crate) has_keys: bool,
}

/// How many calls a task has begun, and how many were acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) begun: u32,
    pub(crate) done: u32,
    /// The names of leases, by the number of the call that made them.
    pub(crate) leases: BTreeMap<u32, Bytes>,
}

/// A note: the task, the number of the call, whether it was acknowledged, and the name of the lease that it has made.
const NOTE_BYTES: usize = 12 + LEASE_BYTES;
const LEASE_BYTES: usize = 16;

impl Job {
    pub(crate) fn new(seed: u64) -> Self {
        let workload = Workload { seed, tasks: 3, calls: 40, value_bytes: 700 };
        Self {
            on: On::Lsm,
            bug: None,
            durability: Durability::EveryWrite,
            workload,
            closes: false,
            has_keys: false,
        }
    }

    pub(crate) fn settings(&self, root: &Path) -> Settings {
        let live = Live { durability: self.durability, min_free: 0, cache_bytes: 8 << 20 };
        Settings { path: root.join("store"), live }
    }

    /// Opens what a healthy store would open: the bug is in the process that is killed, not in the one that looks.
    pub(crate) fn open(&self, root: &Path) -> Result<DiskStore, String> {
        DiskStore::open_with(&self.settings(root), self.opener())
    }

    /// Small tables, so that a short workload writes and merges some.
    pub(crate) fn opener(&self) -> Arc<dyn Opener> {
        match self.on {
            On::Lsm | On::Unchecked => {
                Arc::new(Lsm { cache_bytes: 4 << 20, memtable_bytes: 16 << 10, checks: self.on == On::Lsm })
            }
            On::Redb => Arc::new(Redb),
        }
    }

    fn write(&self) -> String {
        let Workload { seed, tasks, calls, value_bytes } = self.workload;
        let (on, bug) = (self.on as u8, self.bug.map_or(0, |bug| bug as u8 + 1));
        let (durability, closes) = (self.durability as u8, u8::from(self.closes));
        let has_keys = u8::from(self.has_keys);
        format!("{on} {bug} {durability} {closes} {has_keys} {seed} {tasks} {calls} {value_bytes}")
    }

    fn read(text: &str) -> Self {
        let numbers: Vec<u64> = text.split(' ').map(|number| number.parse().unwrap()).collect();
        let [on, bug, durability, closes, has_keys, seed, tasks, calls, value_bytes] = numbers[..] else {
            panic!("{text}")
        };
        let durability =
            [Durability::EveryWrite, Durability::Periodic, Durability::Never][durability as usize];
        let workload =
            Workload { seed, tasks: tasks as u32, calls: calls as u32, value_bytes: value_bytes as usize };
        Self {
            on: [On::Lsm, On::Unchecked, On::Redb][on as usize],
            bug: (bug > 0).then(|| Bug::ALL[bug as usize - 1]),
            durability,
            workload,
            closes: closes == 1,
            has_keys: has_keys == 1,
        }
    }

    /// The process, below this folder: `store` and `acks` are there.
    pub(crate) fn command(&self, root: &Path) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(VARIABLE, self.write()).current_dir(root).stdout(Stdio::null());
        command
    }

    /// The process under the recorder; its notes go to `log`, and calls fail while `fault` says so.
    pub(crate) fn recorded(&self, root: &Path) -> (Command, PathBuf) {
        let mut command = under_recorder(std::env::current_exe().unwrap(), root);
        command.env(VARIABLE, self.write()).current_dir(root).stdout(Stdio::null());
        (command, root.with_extension("log"))
    }
}

/// A program under the recorder.
pub(crate) fn under_recorder(program: impl AsRef<OsStr>, root: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LD_PRELOAD", recorder::library());
    command
        .env("PRISM_RECORD_ROOT", root)
        .env("PRISM_RECORD_LOG", root.with_extension("log"))
        .env("PRISM_RECORD_FAULT", root.with_extension("fault"));
    command
}

/// A process that plays an act under the recorder.
pub(crate) fn acting(act: Act, root: &Path) -> Command {
    let (mut command, _) = Job::new(0).recorded(root);
    command.env(VARIABLE, format!("{act:?}"));
    command
}

/// Runs the worker if this process is one.
pub(crate) fn run() -> bool {
    let Ok(task) = std::env::var(VARIABLE) else { return false };
    let root = std::env::current_dir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match task.starts_with(|first: char| first.is_ascii_digit()) {
        true => runtime.block_on(work(Job::read(&task), &root)),
        false => runtime.block_on(Act::named(&task).play(&root, &root.with_extension("fault"))),
    }
    true
}

async fn work(job: Job, root: &Path) {
    let opener = match job.bug {
        Some(bug) => planted::opener(job.opener(), bug),
        None => job.opener(),
    };
    let store = DiskStore::open_with(&job.settings(root), opener).unwrap();
    let acks = Arc::new(Mutex::new(File::create(root.join("acks")).unwrap()));
    let tasks = (0..job.workload.tasks).map(|task| {
        let (store, acks) = (store.clone(), Arc::clone(&acks));
        tokio::spawn(async move {
            let note = |number: u32, done: u32, lease: &[u8]| {
                let mut note = [0; NOTE_BYTES];
                note[..4].copy_from_slice(&task.to_le_bytes());
                note[4..8].copy_from_slice(&number.to_le_bytes());
                note[8..12].copy_from_slice(&done.to_le_bytes());
                note[12..][..lease.len()].copy_from_slice(lease);
                acks.lock().unwrap().write_all(&note).unwrap();
            };
            let mut leases = BTreeMap::new();
            for (number, call) in (0..).zip(job.workload.calls(task)) {
                note(number, 0, &[]);
                let made = call.make(&store, task, job.has_keys.then_some(number), &leases).await.unwrap();
                note(number, 1, made.as_deref().unwrap_or_default());
                leases.extend(made.map(|lease| (number, lease)));
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    if job.closes {
        // Blocks until the engine is closed.
        tokio::task::spawn_blocking(move || drop(store)).await.unwrap();
    } else {
        std::process::abort();
    }
}

/// What the notes of a worker say.
pub(crate) fn acknowledged(acks: &[u8]) -> BTreeMap<u32, Acknowledged> {
    let mut tasks: BTreeMap<u32, Acknowledged> = BTreeMap::new();
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
    for line in acks.chunks_exact(NOTE_BYTES) {
        let task = tasks.entry(number(&line[..4])).or_default();
        let call = number(&line[4..8]) + 1;
        match number(&line[8..12]) {
            0 => task.begun = call,
            _ => task.done = call,
        }
        if line[12..].iter().any(|byte| *byte != 0) {
            task.leases.insert(call - 1, Bytes::copy_from_slice(&line[12..]));
        }
    }
    tasks
}
