//! A cluster: three primaries, each with a replica.

use std::process::{Command, Stdio};

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
