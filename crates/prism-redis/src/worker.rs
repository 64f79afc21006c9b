//! The connections of one worker: to each server a few, made when they are first needed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use crate::address::NodeAddress;
use crate::config::{Mode, Settings};
use crate::durable::Writer;
use crate::greeting::Expected;
use crate::lane::Lane;
use crate::link::Link;
use crate::topology::Topology;

/// How long calls on connections to a server that is no longer a primary may still take.
const FAREWELL: Duration = Duration::from_secs(1);

/// The connections of one worker.
#[derive(Debug)]
pub(crate) struct Worker {
    settings: Arc<Settings>,
    nodes: Mutex<HashMap<NodeAddress, Arc<Node>>>,
    sentinels: Mutex<HashMap<NodeAddress, Arc<Link>>>,
}

/// The connections of one worker to one server.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) address: NodeAddress,
    links: Vec<Arc<Link>>,
    next: AtomicUsize,
    /// Where writes wait for replicas.
    writer: Option<Writer>,
}

impl Worker {
    pub(crate) fn new(settings: &Arc<Settings>) -> Self {
        Self { settings: Arc::clone(settings), nodes: Mutex::default(), sentinels: Mutex::default() }
    }

    /// The connections to a server.
    pub(crate) fn node(&self, address: &NodeAddress) -> Arc<Node> {
        let mut nodes = self.nodes();
        if let Some(node) = nodes.get(address) {
            return Arc::clone(node);
        }
        let node = Arc::new(Node::new(&self.settings, address));
        nodes.insert(address.clone(), Arc::clone(&node));
        node
    }

    /// The connection to a sentinel.
    pub(crate) fn sentinel(&self, address: &NodeAddress) -> Arc<Link> {
        let mut sentinels = self.sentinels.lock().unwrap_or_else(PoisonError::into_inner);
        let link = || Link::new(&self.settings, address, Expected::Sentinel);
        Arc::clone(sentinels.entry(address.clone()).or_insert_with(link))
    }

    /// Gives up the connections to servers that are no primaries any more. Calls on them have a moment to end: a server that
    /// has just become a replica still answers, one that was paused does not.
    pub(crate) fn keep_to(&self, topology: &Topology) {
        let is_gone = |address: &NodeAddress| !topology.primaries().contains(address);
        let gone: Vec<_> = self.nodes().extract_if(|address, _| is_gone(address)).collect();
        if !gone.is_empty() {
            tokio::spawn(async move {
                sleep(FAREWELL).await;
                gone.iter().for_each(|(_, node)| node.close());
            });
        }
    }

    fn nodes(&self) -> MutexGuard<'_, HashMap<NodeAddress, Arc<Node>>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the servers must be that hold data.
pub(crate) fn expected(settings: &Settings) -> Expected {
    match settings.mode {
        Mode::Cluster => Expected::ClusterNode,
        Mode::Standalone | Mode::Sentinel(_) => Expected::Primary,
    }
}

impl Node {
    fn new(settings: &Arc<Settings>, address: &NodeAddress) -> Self {
        let expected = expected(settings);
        let links = (0..settings.connections).map(|_| Link::new(settings, address, expected)).collect();
        let waiting = |durability| Writer::new(Link::new(settings, address, expected), durability);
        let writer = settings.durability.map(waiting);
        Self { address: address.clone(), links, next: AtomicUsize::new(0), writer }
    }

    /// A connection for a lane. Small commands take turns on all connections but the last.
    pub(crate) fn link(&self, lane: Lane) -> &Arc<Link> {
        let small = (self.links.len() - 1).max(1);
        let index = match lane {
            Lane::Bulk => self.links.len() - 1,
            Lane::Small if small == 1 => 0,
            Lane::Small => self.next.fetch_add(1, Ordering::Relaxed) % small,
        };
        &self.links[index]
    }

    /// Where writes wait for replicas, if they must.
    pub(crate) fn writer(&self) -> Option<&Writer> {
        self.writer.as_ref()
    }

    fn close(&self) {
        self.links.iter().for_each(|link| link.close());
        if let Some(writer) = self.writer.as_ref() {
            writer.close();
        }
    }
}
