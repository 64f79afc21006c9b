//! A cluster: three primaries, each with a replica.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::server::{Kind, Server};
use super::until;

/// A running cluster.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Server>,
}

impl Cluster {
    /// Starts six nodes and returns once each knows the others and serves.
    pub(crate) async fn start(kind: Kind) -> Self {
        let arguments = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1500"];
        let nodes: Vec<_> = (0..6).map(|_| Server::start(kind, &arguments)).collect();
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]);
        nodes.iter().for_each(|node| _ = create.arg(format!("127.0.0.1:{}", node.port)));
        create.args(["--cluster-replicas", "1", "--cluster-yes"]).stdin(Stdio::null());
        let output = create.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let cluster = Self { nodes };
        for node in &cluster.nodes {
            until("the node serves and has its replica", async || {
                let info: String = node.ask(&["CLUSTER", "INFO"]).ok()?;
                let replication: String = node.ask(&["INFO", "replication"]).ok()?;
                let linked = replication.contains("master_link_status:up")
                    || (replication.contains("role:master") && replication.contains("connected_slaves:1"));
                (linked && info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:6"))
                    .then_some(())
            })
            .await;
        }
        cluster
    }

    /// The URLs of two nodes, which are enough to find the others.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.nodes[..2].iter().map(Server::url).collect()
    }

    /// The primaries, by index.
    pub(crate) fn primaries(&self) -> Vec<usize> {
        let is_primary = |node: &Server| {
            node.ask::<String>(&["INFO", "replication"]).is_ok_and(|info| info.contains("role:master"))
        };
        (0..self.nodes.len()).filter(|index| is_primary(&self.nodes[*index])).collect()
    }

    /// Runs a command of `redis-cli --cluster`.
    pub(crate) fn manage(&self, words: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.arg("--cluster").args(words).stdin(Stdio::null());
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{words:?}: {told}");
        told
    }
}

/// A slot on its way from one primary to another.
pub(crate) struct Moving<'a> {
    cluster: &'a Cluster,
    slot: String,
    from: usize,
    to: usize,
}

impl<'a> Moving<'a> {
    /// Begins to move the slot of a Redis key. No key has moved yet.
    pub(crate) fn begin(cluster: &'a Cluster, redis_key: &str) -> Self {
        let slot = cluster.nodes[0].ask::<u16>(&["CLUSTER", "KEYSLOT", redis_key]).unwrap().to_string();
        let primaries = cluster.primaries();
        // Only its owner answers with a number.
        let owns = |index: &&usize| cluster.nodes[**index].ask::<i64>(&["EXISTS", redis_key]).is_ok();
        let from = *primaries.iter().find(owns).unwrap();
        let to = *primaries.iter().find(|index| **index != from).unwrap();
        let moving = Self { cluster, slot, from, to };
        moving.set_slot(to, &["IMPORTING", &moving.id(from)]);
        moving.set_slot(from, &["MIGRATING", &moving.id(to)]);
        moving
    }

    fn id(&self, index: usize) -> String {
        self.cluster.nodes[index].ask(&["CLUSTER", "MYID"]).unwrap()
    }

    fn set_slot(&self, index: usize, state: &[&str]) {
        let words = [&["CLUSTER", "SETSLOT", &*self.slot][..], state].concat();
        self.cluster.nodes[index].tell(&words);
    }

    /// Moves one of the keys; false if there is none left.
    pub(crate) fn move_one(&self) -> bool {
        let (from, port) = (&self.cluster.nodes[self.from], self.cluster.nodes[self.to].port.to_string());
        let keys: Vec<String> = from.ask(&["CLUSTER", "GETKEYSINSLOT", &self.slot, "1"]).unwrap();
        let Some(key) = keys.first() else { return false };
        from.tell(&["MIGRATE", "127.0.0.1", &port, key, "0", "10000"]);
        true
    }

    /// Moves these of the keys, or all but these.
    pub(crate) fn move_some(&self, redis_keys: &[&str], moves_them: bool) {
        let (from, port) = (&self.cluster.nodes[self.from], self.cluster.nodes[self.to].port.to_string());
        let keys: Vec<String> = from.ask(&["CLUSTER", "GETKEYSINSLOT", &self.slot, "100"]).unwrap();
        for key in keys.iter().filter(|key| redis_keys.contains(&key.as_str()) == moves_them) {
            from.tell(&["MIGRATE", "127.0.0.1", &port, key, "0", "10000"]);
        }
    }

    /// The keys that are where the slot goes.
    pub(crate) fn arrived(&self) -> Vec<String> {
        self.cluster.nodes[self.to].ask(&["CLUSTER", "GETKEYSINSLOT", &self.slot, "10"]).unwrap()
    }

    /// Waits until more calls have been refused because keys are missing.
    pub(crate) async fn refuses_calls(&self) {
        let refused = || {
            let nodes = [self.from, self.to].map(|index| &self.cluster.nodes[index]);
            nodes.iter().map(|node| node.errors("TRYAGAIN")).sum::<u64>()
        };
        let before = refused();
        until("calls are refused", async || (refused() > before).then_some(())).await;
    }

    /// Waits until so much time has passed on the node that has the slot.
    pub(crate) async fn passes(&self, time: Duration) {
        self.cluster.nodes[self.from].passes(time).await;
    }

    /// Moves what is left, and tells the primaries who has the slot now.
    pub(crate) fn end(self) {
        while self.move_one() {}
        let id = self.id(self.to);
        self.set_slot(self.to, &["NODE", &id]);
        let others = self.cluster.primaries().into_iter().filter(|index| *index != self.to);
        others.for_each(|index| self.set_slot(index, &["NODE", &id]));
    }
}
