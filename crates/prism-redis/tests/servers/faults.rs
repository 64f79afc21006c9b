//! Connections that break, servers that die: nothing is sent twice, the caller is told what may have happened, and calls
//! succeed again by themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use prism_plugin::list::{End, List as _};
use prism_plugin::{Context, ErrorReason};
use serde_json::json;

use crate::support::relay::Relay;
use crate::support::server::{Kind, Server};
use crate::support::store::{get, key, length, namespace, push, set, store};
use crate::support::until;

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_not_sent_again() {
    for durability in [json!(null), json!({ "replicas": 1, "timeout": "1ms" })] {
        let server = Server::start(Kind::Redis, &[]);
        let relay = Relay::start(server.port).await;
        let store = store(json!({ "url": relay.url(), "connections": 1, "durability": durability }));
        // A connection for each of the two kinds of commands.
        let _ = push(&store, "other", "v").await;
        get(&store, "a").await.unwrap();
        server.tell(&["CONFIG", "RESETSTAT"]);
        relay.cut_at_next_answer();
        let lost = push(&store, "list", "v").await.unwrap_err();
        assert_eq!((lost.reason, lost.fact("applied")), (ErrorReason::BackendLost, Some("maybe")), "{lost}");
        assert_eq!(server.ask::<u64>(&["LLEN", "li:default:list"]).unwrap(), 1, "the server acted");
        let now = until("calls succeed again", async || length(&store, "list").await.ok()).await;
        assert_eq!((now, server.calls("rpush")), (1, 1), "nothing is sent twice");
        assert!(relay.accepted() >= 2, "the connection was replaced");
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_before_it_is_sent_does_nothing() {
    let server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url() }));
    get(&store, "a").await.unwrap();
    {
        let context = Context::default();
        let pushing = store.push(&context, namespace(), key("list"), End::Left, "v".into());
        // Polled once, so that the command waits for the connection's task, which has not run yet.
        let mut pushing = std::pin::pin!(pushing);
        assert!(futures_util::poll!(&mut pushing).is_pending());
    }
    assert_eq!(length(&store, "list").await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_is_found_again_and_no_acknowledged_write_is_sent_twice() {
    let mut server = Server::start(Kind::Valkey, &["--appendonly", "yes", "--appendfsync", "always"]);
    let store = store(json!({ "url": server.url() }));
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(AtomicU64::new(0));
    let unsure = Arc::new(AtomicU64::new(0));
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let (store, stop) = (store.clone(), Arc::clone(&stop));
            let (acknowledged, unsure) = (Arc::clone(&acknowledged), Arc::clone(&unsure));
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    match push(&store, "list", "v").await {
                        Ok(_) => _ = acknowledged.fetch_add(1, Ordering::SeqCst),
                        Err(error) if error.fact("applied") == Some("maybe") => {
                            unsure.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(error) => {
                            assert_eq!(error.reason, ErrorReason::BackendUnreachable, "{error}");
                            tokio::task::yield_now().await;
                        }
                    }
                }
            })
        })
        .collect();
    for _ in 0..2 {
        let before = acknowledged.load(Ordering::SeqCst);
        let more = || acknowledged.load(Ordering::SeqCst) > before + 200;
        until("writes are acknowledged", async || more().then_some(())).await;
        server.kill();
        server.restart();
    }
    let before = acknowledged.load(Ordering::SeqCst);
    until("it heals", async || (acknowledged.load(Ordering::SeqCst) > before + 200).then_some(())).await;
    stop.store(true, Ordering::SeqCst);
    for worker in workers {
        worker.await.unwrap();
    }
    let (acknowledged, unsure) = (acknowledged.load(Ordering::SeqCst), unsure.load(Ordering::SeqCst));
    let length = length(&store, "list").await.unwrap();
    assert!(
        (acknowledged..=acknowledged + unsure).contains(&length),
        "{acknowledged} + {unsure} maybe, {length}"
    );
    // Each of the two threads has its own connection, and a caller may have been on one and then on the other.
    assert!(unsure <= 8 * 2 * 2, "at most one for each caller, connection and kill: {unsure}");
}

#[tokio::test]
async fn a_peer_that_goes_silent_is_replaced() {
    let server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url() }));
    set(&store, "a", "v").await.unwrap();
    let first: Vec<u64> = clients(&server);
    server.pause();
    let context = Context::default().or_timeout(Duration::from_millis(1200));
    let late = store.length(&context, namespace(), key("a")).await.unwrap_err();
    assert_eq!(late.reason, ErrorReason::DeadlineExceeded);
    // The ping is not answered either, and calls are told so long before their deadlines.
    let lost = until("the silent connection is given up", async || {
        let context = Context::default().or_timeout(Duration::from_secs(20));
        store
            .length(&context, namespace(), key("a"))
            .await
            .err()
            .filter(|error| error.reason != ErrorReason::DeadlineExceeded)
    })
    .await;
    assert_eq!(lost.fact("applied"), Some("maybe"), "{lost}");
    server.resume();
    until("calls succeed again", async || get(&store, "a").await.ok()).await;
    assert!(clients(&server).iter().all(|id| !first.contains(id)), "on another connection");
}

/// The connections of stores.
fn clients(server: &Server) -> Vec<u64> {
    let list: String = server.ask(&["CLIENT", "LIST"]).unwrap();
    let ours = list.lines().filter(|line| line.contains("name=prism-redis"));
    let ids = ours.filter_map(|line| line.split(' ').find_map(|word| word.strip_prefix("id=")?.parse().ok()));
    ids.collect()
}
