//! The parts of the benchmark, and what they have in common.

pub(crate) mod growth;
pub(crate) mod memstore;
pub(crate) mod proxy;
pub(crate) mod python;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::contender::Setup;
use crate::process::{Place, cores};
use crate::results::Settings;

/// A part. Its results lie in a file of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Part {
    /// The gateway beside HAProxy, nginx, a typed forward, and no gateway.
    Proxy,
    /// The store beside Redis.
    Memstore,
    /// The Python client beside grpcio and redis-py.
    Python,
    /// The cost of a request while namespaces, connections and workers grow.
    Growth,
}

impl Part {
    /// All of them, in the order of the page.
    pub(crate) const ALL: [Self; 4] = [Self::Proxy, Self::Memstore, Self::Python, Self::Growth];

    /// The name of its file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Memstore => "memstore",
            Self::Python => "python",
            Self::Growth => "growth",
        }
    }
}

/// How parts are run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// What one measurement takes.
    pub(crate) time: Duration,
    pub(crate) pin: bool,
    /// The keys of a large store.
    pub(crate) keys: usize,
    pub(crate) python: PathBuf,
}

impl Plan {
    /// As results tell it.
    pub(crate) fn settings(&self) -> Settings {
        Settings { rounds: self.rounds, seconds: self.time.as_secs_f64(), pinned: self.pinned() }
    }

    /// Whether a contender with one worker gets a core of its own.
    fn pinned(&self) -> bool {
        self.pin && cores() > 1
    }

    /// Where a contender with so many workers runs.
    pub(crate) fn contender_place(&self, workers: usize) -> Place {
        if workers == 1 && self.pinned() { Place::FirstCore } else { Place::Anywhere }
    }

    /// Where everything else runs meanwhile.
    pub(crate) fn rest_place(&self, workers: usize) -> Place {
        if workers == 1 && self.pinned() { Place::OtherCores } else { Place::Anywhere }
    }

    /// For a contender with so many workers.
    pub(crate) fn contender<'a>(&self, workers: usize, folder: &'a Path) -> Setup<'a> {
        Setup { workers, place: self.contender_place(workers), folder }
    }

    /// For what stands behind contenders with so many workers.
    pub(crate) fn backend<'a>(&self, workers: usize, folder: &'a Path) -> Setup<'a> {
        Setup { workers, place: self.rest_place(workers), folder }
    }
}
