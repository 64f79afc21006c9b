//! Power losses: the states that are possible after each op of a recorded run.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fastrand::Rng;
use libtest_mimic::Trial;
use prism_diskstore::config::Durability;

use crate::disk::{Disk, Loss};
use crate::planted::Bug;
use crate::recorder::{self, Op};
use crate::verify::{May, verify};
use crate::worker::{Job, On, acknowledged};
use crate::workload::Held;
use crate::{amount, folder, trial};

/// States of one run that the suite opens.
const STATES: usize = 200;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![trial("the_recorder_misses_nothing", the_recorder_misses_nothing)];
    let states = amount("PRISM_CRASH_STATES", STATES);
    let kept = |name: &str, job: Job, may: May| trial(name, move || survives(job, may, states));
    trials.push(kept("every_write_survives_power_loss", Job::new(1), May::Nothing));
    let large = || {
        let mut job = Job::new(2);
        // More than the journal takes, so that it is sealed, and tables are written and merged.
        (job.workload.calls, job.workload.value_bytes) = (70, 1 << 20);
        job
    };
    // Each of these states is some hundred MiB.
    let name = "every_write_survives_power_loss_while_the_journal_is_sealed";
    trials.push(trial(name, move || survives(large(), May::Nothing, states / 10)));
    for durability in [Durability::Periodic, Durability::Never] {
        let job = Job { durability, ..Job::new(3) };
        trials.push(kept(&format!("{durability:?}_loses_only_the_end_by_power_loss"), job, May::LastCalls));
    }
    trials.push(kept("redb_survives_power_loss", Job { on: On::Redb, ..Job::new(1) }, May::Nothing));
    for bug in Bug::ALL {
        trials.push(trial(&format!("{bug:?}_is_caught"), move || {
            let job = Job { bug: Some(bug), ..Job::new(4) };
            match survives(job, May::Nothing, states) {
                Ok(()) => Err("the suite has not noticed it".to_owned()),
                Err(_) => Ok(()),
            }
        }));
    }
    trials
}

/// A recorded run: what was done, and the folder as it was left.
fn record(job: Job, root: &Path) -> Vec<Op> {
    std::fs::create_dir(root).unwrap();
    let (mut command, log) = job.recorded(root);
    let ended = command.status().unwrap();
    assert_eq!(ended.success(), job.closes, "{ended}");
    recorder::read(&log)
}

/// Whether playing the notes yields the files that the run has left. Otherwise no state can be trusted.
fn the_recorder_misses_nothing() -> Result<(), String> {
    for on in [On::Lsm, On::Redb] {
        let folder = folder();
        let root = folder.path().join("run");
        let ops = record(Job { on, closes: true, ..Job::new(5) }, &root);
        let mut disk = Disk::default();
        ops.iter().for_each(|op| disk.apply(op));
        let mut left = BTreeMap::new();
        walk(&root, &root, &mut left);
        let played = disk.files();
        let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
        if names(&left) != names(&played) {
            return Err(format!("{on:?}: {:?} became {:?}", names(&left), names(&played)));
        }
        if let Some((name, _)) = left.iter().find(|(name, content)| played[*name] != **content) {
            return Err(format!("{on:?}: {name} differs"));
        }
    }
    Ok(())
}

fn walk(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.insert(name, std::fs::read(&path).unwrap());
        }
    }
}

/// Opens states of a run and compares each.
fn survives(job: Job, may: May, states: usize) -> Result<(), String> {
    let folder = folder();
    let ops = record(job, &folder.path().join("run"));
    let held: Vec<_> = (0..job.workload.tasks).map(|task| job.workload.held(task)).collect();
    let mut rng = Rng::with_seed(job.workload.seed);
    // The moments are spread over the run; all of them if that many states are asked for.
    let moments = (states / Loss::ALL.len()).max(1);
    let chance = moments as f64 / ops.len() as f64;
    let mut disk = Disk::default();
    for (number, op) in ops.iter().enumerate() {
        disk.apply(op);
        if rng.f64() < chance {
            for loss in Loss::ALL {
                let root = folder.path().join("state");
                disk.restore(loss, &mut rng, &root);
                let may = if loss == Loss::Nothing { May::Nothing } else { may };
                let compared = state(&job, &root, &disk, &held, may);
                std::fs::remove_dir_all(&root).unwrap();
                compared.map_err(|error| {
                    format!("after op {number} of {} ({}), losing {loss:?}: {error}", ops.len(), name(op))
                })?;
            }
        }
    }
    Ok(())
}

fn state(job: &Job, root: &Path, disk: &Disk, held: &[Vec<Held>], may: May) -> Result<(), String> {
    let acknowledged = acknowledged(&disk.file("acks"));
    let verified = catch_unwind(AssertUnwindSafe(|| verify(job, root, &acknowledged, held, may)));
    verified.unwrap_or_else(|_| Err("opening or reading panicked".to_owned()))
}

fn name(op: &Op) -> String {
    match op {
        Op::Write { path, at, data } => format!("write of {} bytes at {at} of {path}", data.len()),
        other => format!("{other:?}"),
    }
}
