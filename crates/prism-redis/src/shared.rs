//! What all workers share, and the connections of each.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use thread_local::ThreadLocal;
use tokio::time::Instant;

use crate::companions::Companions;
use crate::config::{Mode, Settings};
use crate::names::Names;
use crate::state::Known;
use crate::topology::Topology;
use crate::waiters::Waiters;
use crate::worker::Worker;

/// One store, as its workers share it.
pub(crate) struct Shared {
    pub(crate) settings: Arc<Settings>,
    pub(crate) names: Names,
    pub(crate) companions: Companions,
    /// Tells the data apart from that of other stores.
    pub(crate) identity: String,
    /// Who is the primary of what; `None` until it was asked for.
    pub(crate) topology: ArcSwapOption<Topology>,
    /// Whether somebody is asking for the topology.
    pub(crate) is_discovering: AtomicBool,
    pub(crate) known: Known,
    pub(crate) counters: Counters,
    pub(crate) waiters: Arc<Waiters>,
    /// When each slot was last said to have leases, and how short.
    pub(crate) announced: Mutex<HashMap<u16, (Instant, Duration)>>,
    workers: ThreadLocal<Arc<Worker>>,
}

/// Figures for metrics.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Commands sent again because a cluster's node named another.
    pub(crate) redirections: AtomicU64,
    /// Keys that scans left out because the interface cannot name them.
    pub(crate) unnameable_keys: AtomicU64,
    /// Changes of the topology.
    pub(crate) topology_changes: AtomicU64,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(settings: Settings) -> Self {
        let topology = match (&settings.mode, settings.servers.first()) {
            (Mode::Standalone, Some(server)) => Some(Arc::new(Topology::single(server.clone()))),
            _ => None,
        };
        let waiters = Waiters::new(settings.max_waiters);
        Self {
            names: Names::new(&settings),
            companions: Companions::new(&settings),
            announced: Mutex::default(),
            identity: settings.identity(),
            settings: Arc::new(settings),
            topology: ArcSwapOption::from(topology),
            is_discovering: AtomicBool::new(false),
            known: Known::default(),
            counters: Counters::default(),
            waiters,
            workers: ThreadLocal::new(),
        }
    }

    /// The connections of the worker on which this runs: a connection is driven by its worker's runtime.
    pub(crate) fn worker(&self) -> &Arc<Worker> {
        self.workers.get_or(|| Arc::new(Worker::new(&self.settings)))
    }

    /// Makes a topology the one in force, for all workers.
    pub(crate) fn put_in_force(&self, topology: Topology) -> Arc<Topology> {
        let known = self.topology.load_full();
        if let Some(known) = known.filter(|known| **known == topology) {
            return known;
        }
        let topology = Arc::new(topology);
        self.topology.store(Some(Arc::clone(&topology)));
        self.counters.topology_changes.fetch_add(1, Ordering::Relaxed);
        self.workers.iter().for_each(|worker| worker.keep_to(&topology));
        let primaries: Vec<_> = topology.primaries().iter().map(ToString::to_string).collect();
        tracing::info!(?primaries, "the primaries");
        topology
    }
}
