//! How parts are run: rounds, times, and where each process runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::contender::Setup;
use crate::process::{Place, cores};
use crate::results::Settings;

/// How parts are run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// The duration of one measurement.
    pub(crate) time: Duration,
    pub(crate) pin: bool,
    /// The number of keys of a large store.
    pub(crate) keys: usize,
    pub(crate) python: PathBuf,
    /// The folder with another version's binaries.
    pub(crate) before: Option<PathBuf>,
}

impl Plan {
    /// The settings, for the results.
    pub(crate) fn settings(&self) -> Settings {
        Settings { rounds: self.rounds, seconds: self.time.as_secs_f64(), pinned: self.pinned() }
    }

    /// Whether a contender with one worker gets a dedicated core.
    fn pinned(&self) -> bool {
        self.pin && cores() > 1
    }

    /// Where a contender with this many workers runs.
    pub(crate) fn contender_place(&self, workers: usize) -> Place {
        if workers == 1 && self.pinned() { Place::FirstCore } else { Place::Anywhere }
    }

    /// Where everything else runs meanwhile.
    pub(crate) fn rest_place(&self, workers: usize) -> Place {
        if workers == 1 && self.pinned() { Place::OtherCores } else { Place::Anywhere }
    }

    /// The setup of a contender with this many workers.
    pub(crate) fn contender<'a>(&self, workers: usize, folder: &'a Path) -> Setup<'a> {
        Setup { workers, place: self.contender_place(workers), folder }
    }

    /// The setup of what is behind contenders with this many workers.
    pub(crate) fn backend<'a>(&self, workers: usize, folder: &'a Path) -> Setup<'a> {
        Setup { workers, place: self.rest_place(workers), folder }
    }
}
