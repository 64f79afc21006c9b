//! Writes that wait for replicas.

use futures_util::future::join_all;
use prism_plugin::ErrorReason;
use serde_json::json;

use crate::support::server::{Kind, Server};
use crate::support::store::{get, push, set, store};
use crate::support::until;

fn replica_of(primary: &Server) -> Server {
    Server::start(Kind::Redis, &["--replicaof", "127.0.0.1", &primary.port.to_string()])
}

#[tokio::test]
async fn a_write_is_acknowledged_once_the_replicas_have_it() {
    let primary = Server::start(Kind::Redis, &[]);
    let replicas = [replica_of(&primary), replica_of(&primary)];
    for replica in &replicas {
        until("the replica is linked", async || {
            let info: String = replica.ask(&["INFO", "replication"]).ok()?;
            info.contains("master_link_status:up").then_some(())
        })
        .await;
    }
    let durability = json!({ "replicas": 2, "timeout": "2s" });
    let store = store(json!({ "url": primary.url(), "durability": durability }));
    primary.tell(&["CONFIG", "RESETSTAT"]);
    for number in 0..50 {
        set(&store, &format!("k{number}"), "v").await.unwrap();
        let name = format!("kv:default:k{number}");
        for replica in &replicas {
            assert_eq!(replica.ask::<Option<String>>(&["GET", &name]).unwrap().as_deref(), Some("v"));
        }
    }
    assert_eq!(primary.calls("wait"), 50);

    primary.tell(&["CONFIG", "RESETSTAT"]);
    let pushes = join_all((0..200).map(|_| push(&store, "list", "v"))).await;
    assert!(pushes.iter().all(Result::is_ok), "{pushes:?}");
    let waits = primary.calls("wait");
    assert!(waits < 50, "writes that wait together share a WAIT: {waits} for 200");

    replicas[1].pause();
    let refused = store_quickly(&primary).await;
    assert_eq!((refused.reason, refused.fact("applied")), (ErrorReason::DurabilityNotReached, Some("maybe")));
    assert_eq!((refused.fact("size"), refused.fact("limit")), (Some("1"), Some("2")));
    assert_eq!(get(&store, "late").await.unwrap().as_deref(), Some("v"), "the primary has it");
    replicas[1].resume();
    until("both have it again", async || set(&store, "k", "v").await.ok()).await;
}

/// A write that waits 100 ms for two replicas.
async fn store_quickly(primary: &Server) -> prism_plugin::Error {
    let store = store(json!({ "url": primary.url(), "durability": { "replicas": 2, "timeout": "100ms" } }));
    set(&store, "late", "v").await.unwrap_err()
}
