//! A primary with a replica, watched by three sentinels.

use super::server::{Kind, Server};
use super::until;

/// The name under which the sentinels know the primary.
pub(crate) const NAME: &str = "main";

/// Running servers and sentinels.
pub(crate) struct Watched {
    pub(crate) servers: Vec<Server>,
    pub(crate) sentinels: Vec<Server>,
}

impl Watched {
    /// Starts them and returns once the sentinels know the replica and each other.
    pub(crate) async fn start(kind: Kind) -> Self {
        let primary = Server::start(kind, &[]);
        let port = primary.port.to_string();
        let replica = Server::start(kind, &["--replicaof", "127.0.0.1", &port]);
        let sentinels: Vec<_> = (0..3).map(|_| start_sentinel(kind, &port)).collect();
        for sentinel in &sentinels {
            until("the sentinel knows the others", async || {
                let info: String = sentinel.ask(&["INFO", "sentinel"]).ok()?;
                info.contains("slaves=1,sentinels=3").then_some(())
            })
            .await;
        }
        let linked = async || {
            let info: String = replica.ask(&["INFO", "replication"]).ok()?;
            info.contains("master_link_status:up").then_some(())
        };
        until("the replica is linked", linked).await;
        Self { servers: vec![primary, replica], sentinels }
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(Server::url).collect()
    }
}

fn start_sentinel(kind: Kind, port: &str) -> Server {
    let lines = format!(
        "sentinel monitor {NAME} 127.0.0.1 {port} 2\n\
         sentinel down-after-milliseconds {NAME} 1000\n\
         sentinel failover-timeout {NAME} 5000\n"
    );
    Server::start_sentinel(kind, &lines)
}
