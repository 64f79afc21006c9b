//! Clusters and sentinels whose servers change roles, and slots that move while calls are made.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use prism_plugin::keyvalue::Start;
use prism_plugin::list::{End, ListBlocking as _};
use prism_plugin::{Context, ErrorReason, KeyValue as _};
use prism_redis::RedisStore;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::support::cluster::{Cluster, Moving};
use crate::support::sentinel::{NAME, Watched};
use crate::support::server::Kind;
use crate::support::store::{
    call_of, get, items, key, length, namespace, push, push_under, range, set, store,
};
use crate::support::until;

/// Callers that push to lists of their own, and count what became of it.
struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    callers: Vec<JoinHandle<(String, u64, u64)>>,
}

impl Load {
    fn start(store: &RedisStore, callers: usize) -> Self {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let callers = (0..callers).map(|caller| {
            let (store, stop, total) = (store.clone(), Arc::clone(&stop), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                let name = format!("list/{caller}");
                let (mut acknowledged, mut unsure) = (0, 0);
                let (client, mut seq) = (fastrand::u128(..), 0);
                while !stop.load(Ordering::SeqCst) {
                    // Every other caller repeats what it is not sure of, under its idempotency key.
                    let mut pushed = if caller % 2 == 0 {
                        push(&store, &name, "v").await
                    } else {
                        seq += 1;
                        push_under(&store, &call_of(client, seq, seq), &name, "v").await
                    };
                    while caller % 2 == 1 && pushed.is_err() && !stop.load(Ordering::SeqCst) {
                        tokio::task::yield_now().await;
                        pushed = push_under(&store, &call_of(client, seq, seq), &name, "v").await;
                    }
                    match pushed {
                        Ok(_) => {
                            acknowledged += 1;
                            total.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(error) if error.fact("applied") == Some("no") => {}
                        Err(_) => unsure += 1,
                    }
                    tokio::task::yield_now().await;
                }
                (name, acknowledged, unsure)
            })
        });
        let callers = callers.collect();
        Self { stop, acknowledged, callers }
    }

    /// Waits until so many more writes have been acknowledged.
    async fn goes_on(&self, more: u64) {
        let before = self.acknowledged.load(Ordering::SeqCst);
        let now = || self.acknowledged.load(Ordering::SeqCst);
        until("writes are acknowledged", async || (now() > before + more).then_some(())).await;
    }

    async fn end(self) -> Vec<(String, u64, u64)> {
        self.stop.store(true, Ordering::SeqCst);
        let mut ended = Vec::new();
        for caller in self.callers {
            ended.push(caller.await.unwrap());
        }
        ended
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_move_under_load_and_nothing_is_lost_or_sent_twice() {
    let cluster = Cluster::start(Kind::Redis).await;
    let store = store(json!({ "urls": cluster.urls(), "cluster": true }));
    for number in 0..2000 {
        set(&store, &format!("key/{number}"), "v").await.unwrap();
    }
    let load = Load::start(&store, 8);
    load.goes_on(100).await;
    let primaries = cluster.primaries();
    let id = |index: usize| cluster.nodes[index].ask::<String>(&["CLUSTER", "MYID"]).unwrap();
    let (from, to) = (id(primaries[0]), id(primaries[1]));
    let any = format!("127.0.0.1:{}", cluster.nodes[0].port);
    let scanned = {
        let reshard = async {
            let (cluster, from, to, any) = (&cluster, from.clone(), to.clone(), any.clone());
            tokio::task::block_in_place(|| {
                cluster.manage(&[
                    "reshard",
                    &any,
                    "--cluster-from",
                    &from,
                    "--cluster-to",
                    &to,
                    "--cluster-slots",
                    "1500",
                    "--cluster-yes",
                ])
            })
        };
        let scanning = {
            let store = store.clone();
            tokio::spawn(async move {
                let pages = store.scan(&Context::default(), range("key/", Start::Beginning, None));
                let keys = items(pages).await.unwrap();
                keys.into_iter().map(|(key, _)| key.into_string()).collect::<BTreeSet<_>>()
            })
        };
        reshard.await;
        scanning.await.unwrap()
    };
    assert_eq!(scanned.len(), 2000, "a scan finds every key while slots move");
    load.goes_on(100).await;
    for (name, acknowledged, unsure) in load.end().await {
        assert_eq!((length(&store, &name).await.unwrap(), unsure), (acknowledged, 0), "{name}");
    }
    for number in 0..2000 {
        assert_eq!(get(&store, &format!("key/{number}")).await.unwrap().as_deref(), Some("v"), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_fails_over_and_calls_succeed_again() {
    let mut cluster = Cluster::start(Kind::Valkey).await;
    let store = store(json!({ "urls": cluster.urls(), "cluster": true }));
    let load = Load::start(&store, 8);
    load.goes_on(100).await;
    let primary = cluster.primaries()[0];
    cluster.nodes[primary].kill();
    until("each slot is served again", async || {
        for number in 0..64 {
            set(&store, &format!("after/{number}"), "v").await.ok()?;
        }
        Some(())
    })
    .await;
    for (name, acknowledged, unsure) in load.end().await {
        // What was acknowledged and not replicated yet is lost: that is what a failover may do.
        let length = length(&store, &name).await.unwrap();
        assert!(length <= acknowledged + unsure, "{name}: {length} of {acknowledged}, {unsure} maybe");
    }
}

/// Each key is written once: again only if nothing was applied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_with_a_primary_whose_replica_has_it() {
    const CALLERS: usize = 64;
    const WRITES: usize = 10_000;
    let mut cluster = Cluster::start(Kind::Redis).await;
    let durability = json!({ "replicas": 1, "timeout": "100ms" });
    let store = store(json!({ "urls": cluster.urls(), "cluster": true, "durability": durability }));
    let acknowledged = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (store, total) = (store.clone(), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for number in (caller..WRITES).step_by(CALLERS) {
                    let name = format!("key/{number}");
                    let written = loop {
                        match set(&store, &name, &name).await {
                            Err(error) if error.fact("applied") == Some("no") => {
                                tokio::task::yield_now().await
                            }
                            ended => break ended,
                        }
                    };
                    if written.is_ok() {
                        total.fetch_add(1, Ordering::SeqCst);
                        acknowledged.push(name);
                    }
                }
                acknowledged
            })
        })
        .collect();
    until("a third is written", async || (acknowledged.load(Ordering::SeqCst) > 3_000).then_some(())).await;
    let primary = cluster.primaries()[0];
    cluster.nodes[primary].kill();
    let mut checked = 0;
    for caller in callers {
        for name in caller.await.unwrap() {
            assert_eq!(get(&store, &name).await.unwrap().as_deref(), Some(&*name), "it was acknowledged");
            checked += 1;
        }
    }
    // Those to the new primary, which has no replica left, are not.
    assert!((5_000..WRITES).contains(&checked), "{checked}");
}

#[tokio::test]
async fn a_key_of_a_slot_on_its_way_is_found_where_it_goes() {
    let cluster = Cluster::start(Kind::Redis).await;
    let store = store(json!({ "urls": cluster.urls(), "cluster": true }));
    set(&store, "old", "v").await.unwrap();
    let moving = Moving::begin(&cluster, "kv:default:{t}");
    set(&store, "{t}", "v").await.unwrap();
    assert_eq!(get(&store, "{t}").await.unwrap().as_deref(), Some("v"));
    assert_eq!(moving.arrived(), ["kv:default:{t}"], "it is where the slot goes");
}

#[tokio::test]
async fn a_scan_finds_keys_that_move_to_where_it_has_been() {
    let cluster = Cluster::start(Kind::Redis).await;
    let store = store(json!({ "urls": cluster.urls(), "cluster": true }));
    for batch in 0..60 {
        let names: Vec<_> = (0..100).map(|number| format!("key/{batch}/{number}")).collect();
        let sets = names.iter().map(|name| set(&store, name, "v"));
        assert!(futures_util::future::join_all(sets).await.iter().all(Result::is_ok));
    }
    let of = async |name: &str| cluster.nodes[0].ask::<u16>(&["CLUSTER", "KEYSLOT", name]).unwrap();
    let mut pages = store.scan_keys(&Context::default(), range("key/", Start::Beginning, None));
    let mut seen = BTreeSet::new();
    let mut last_slot_of_page = 0;
    // The walk goes in the order of the slots: the third primary comes last.
    while last_slot_of_page < 10_923 {
        let page = pages.try_next().await.unwrap().unwrap().items;
        last_slot_of_page = of(&format!("kv:default:{}", &*page[0])).await;
        seen.extend(page.into_iter().map(|key| key.into_string()));
    }
    let node = |slot: &str| {
        let slots: String = cluster.nodes[0].ask(&["CLUSTER", "NODES"]).unwrap();
        let line = slots.lines().find(|line| line.contains(slot)).unwrap();
        line.split(' ').next().unwrap().to_owned()
    };
    let (from, to) = (node(" 10923-16383"), node(" 0-5460"));
    let any = format!("127.0.0.1:{}", cluster.nodes[0].port);
    cluster.manage(&[
        "reshard",
        &any,
        "--cluster-from",
        &from,
        "--cluster-to",
        &to,
        "--cluster-slots",
        "1000",
        "--cluster-yes",
    ]);
    let before = seen.len();
    while let Some(page) = pages.try_next().await.unwrap() {
        seen.extend(page.items.into_iter().map(|key| key.into_string()));
    }
    assert!(before < 6000, "the scan was not over when the slots moved");
    assert_eq!(seen.len(), 6000);
}

#[tokio::test]
async fn a_paused_primary_is_replaced_by_its_replica() {
    let watched = Watched::start(Kind::Redis).await;
    let store = store(json!({ "urls": watched.urls(), "sentinel": NAME }));
    let watching = {
        let store = store.clone();
        tokio::spawn(async move { store.watch(async |_| {}).await })
    };
    set(&store, "a", "v").await.unwrap();
    watched.servers[0].pause();
    // Nobody else calls: the watch alone notices, and ends what waits for the server that is no primary any more.
    let context = Context::default().or_timeout(Duration::from_secs(55));
    let ended = store.set(&context, namespace(), key("a"), Bytes::from_static(b"x"), None).await.unwrap_err();
    assert_eq!((ended.reason, ended.fact("applied")), (ErrorReason::BackendLost, Some("maybe")), "{ended}");
    until("the new primary is used", async || set(&store, "a", "w").await.ok()).await;
    assert_eq!(watched.servers[1].ask::<String>(&["GET", "kv:default:a"]).unwrap(), "w");
    watched.servers[0].resume();
    assert_eq!(
        get(&store, "a").await.unwrap().as_deref(),
        Some("w"),
        "the old primary is not asked any more"
    );
    watching.abort();
}

/// Waits on lists of each node, one of which dies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_end_with_their_primary_and_are_possible_again_with_the_next() {
    let mut cluster = Cluster::start(Kind::Redis).await;
    let store = store(json!({ "urls": cluster.urls(), "cluster": true }));
    let wait = |store: RedisStore, name: String| async move {
        let list = key(name);
        store.blocking_pop(&Context::default(), namespace(), list, End::Left, Duration::from_secs(50)).await
    };
    let waiting: Vec<_> =
        (0..24).map(|number| tokio::spawn(wait(store.clone(), format!("l{number}")))).collect();
    let primaries = cluster.primaries();
    until("all are blocked", async || {
        let blocked = primaries.iter().map(|index| {
            let info: String = cluster.nodes[*index].ask(&["INFO", "clients"]).unwrap();
            let line = info.lines().find_map(|line| line.strip_prefix("blocked_clients:")).unwrap();
            line.trim().parse::<usize>().unwrap()
        });
        (blocked.sum::<usize>() == 24).then_some(())
    })
    .await;
    cluster.nodes[primaries[0]].kill();
    until("each slot is served again", async || {
        for number in 0..64 {
            set(&store, &format!("after/{number}"), "v").await.ok()?;
        }
        Some(())
    })
    .await;
    for number in 0..24 {
        until("a value is pushed", async || push(&store, &format!("l{number}"), "v").await.ok()).await;
    }
    let mut ended = 0;
    for (number, waiting) in waiting.into_iter().enumerate() {
        let name = format!("l{number}");
        match waiting.await.unwrap() {
            Ok(value) => assert_eq!(value.unwrap(), "v"),
            Err(error) => {
                assert!(error.fact("applied").is_some(), "{error}");
                assert_eq!(wait(store.clone(), name.clone()).await.unwrap().unwrap(), "v");
                ended += 1;
            }
        }
        assert_eq!(length(&store, &name).await.unwrap(), 0, "{name}");
    }
    assert!(ended > 0, "some waited on the node that died");
}
