//! kill -9 at random moments.

use std::time::Duration;

use fastrand::Rng;
use libtest_mimic::Trial;
use prism_diskstore::config::Durability;

use crate::verify::{May, verify};
use crate::worker::{Job, acknowledged};
use crate::{amount, folder, trial};

/// Kills in the suite.
const KILLS: usize = 300;

/// The longest that a worker lives: it opens the store and makes some hundred calls, of at most 4,000.
const LIFE_MAX: Duration = Duration::from_millis(120);

pub(crate) fn trials() -> Vec<Trial> {
    let all = [Durability::EveryWrite, Durability::Periodic, Durability::Never];
    let kills = amount("PRISM_CRASH_KILLS", KILLS) / all.len();
    let trials = all.map(|durability| {
        trial(&format!("{durability:?}_survives_kill"), move || survives_kills(durability, kills))
    });
    trials.into()
}

fn survives_kills(durability: Durability, kills: usize) -> Result<(), String> {
    let mut rng = Rng::with_seed(durability as u64);
    for kill in 0..kills {
        let folder = folder();
        let root = folder.path().join("run");
        std::fs::create_dir(&root).unwrap();
        let mut job = Job { durability, has_keys: true, ..Job::new(rng.u64(..)) };
        (job.workload.tasks, job.workload.calls) = (4, 4_000);
        let mut worker = job.command(&root).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(rng.u64(..LIFE_MAX.as_micros() as u64)));
        worker.kill().unwrap();
        worker.wait().unwrap();
        // The largest number of calls that was begun bounds the model.
        let acks = acknowledged(&std::fs::read(root.join("acks")).unwrap_or_default());
        job.workload.calls = acks.values().map(|task| task.begun).max().unwrap_or(0);
        let held: Vec<_> = (0..job.workload.tasks).map(|task| job.workload.held(task)).collect();
        verify(&job, &root, &acks, &held, May::Nothing).map_err(|error| format!("kill {kill}: {error}"))?;
    }
    Ok(())
}
