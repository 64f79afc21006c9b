//! Workers and producers through a gateway: nothing is lost, and nothing counts twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use prism_client::{Client, End, ErrorKind, ErrorReason, Lease};
use prism_e2e::process::{Process, Proxy};
use prism_e2e::redis::Redis;
use rustix::process::Signal;

/// What stands behind a gateway.
type Behind = (Option<Process>, Option<Redis>);

/// A gateway in front of a store, and one that embeds it; the same with a Redis.
fn gateways() -> [(Proxy, Behind); 4] {
    let before = |store: &Process| Proxy::start(&[("default", store.grpc())]);
    let memstore = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
    let redis = Redis::start();
    let plugin = Process::start("prism-redis", ["--listen", "127.0.0.1:0", "--redis", &redis.url()]);
    let other = Redis::start();
    [
        (before(&memstore), (Some(memstore), None)),
        (Proxy::start(&[("default", "embedded:memstore")]), (None, None)),
        (before(&plugin), (Some(plugin), Some(redis))),
        (Proxy::with_config(&on_redis(&other)), (None, Some(other))),
    ]
}

/// A gateway's file with the namespace `default` on a Redis.
fn on_redis(redis: &Redis) -> String {
    format!(
        "backends:\n  - {{ name: queues, embedded: redis, options: {{ url: '{}' }} }}\nnamespaces:\n  \
         - {{ name: default, pattern: list, plugin: {{ backend: queues }} }}\n",
        redis.url()
    )
}

fn shown(lease: &Lease) -> Vec<(&[u8], u32)> {
    lease.values().iter().map(|value| (&value.value[..], value.deliveries)).collect()
}

#[tokio::test]
async fn a_worker_that_dies_loses_nothing() {
    for (gateway, _behind) in &gateways() {
        let jobs = Client::new(gateway.grpc()).unwrap().list();
        for job in ["a", "b", "c"] {
            jobs.push_right("jobs", job).await.unwrap();
        }
        let short = Duration::from_millis(300);
        let lost = jobs.reserve("jobs").count(2).lease(short).await.unwrap().unwrap();
        assert_eq!(shown(&lost), [(&b"a"[..], 1), (b"b", 1)]);
        assert_eq!(jobs.length("jobs").await.unwrap(), 1);
        let other = jobs.reserve("jobs").await.unwrap().unwrap();
        assert_eq!(shown(&other), [(&b"c"[..], 1)]);
        other.extend(Duration::from_secs(60)).await.unwrap();

        let wait = Duration::from_secs(20);
        let again = jobs.reserve("jobs").count(5).wait(wait).await.unwrap().unwrap();
        assert_eq!(shown(&again), [(&b"a"[..], 2), (b"b", 2)]);
        let ended = lost.ack().await.unwrap_err();
        assert_eq!((ended.kind(), ended.reason()), (ErrorKind::NotFound, Some(ErrorReason::LeaseEnded)));
        assert_eq!(again.ack().await.unwrap(), 2);
        assert_eq!(other.release().await.unwrap(), 1);
        let last = jobs.reserve("jobs").from_right().max_deliveries(2, "dead").await.unwrap().unwrap();
        assert_eq!(last.release().await.unwrap(), 1);
        assert_eq!((jobs.length("jobs").await.unwrap(), jobs.length("dead").await.unwrap()), (0, 1));
        assert!(jobs.reserve("jobs").await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_token_names_a_lease_of_its_list() {
    for (gateway, _behind) in &gateways() {
        let jobs = Client::new(gateway.grpc()).unwrap().list();
        jobs.push_many("jobs", End::Right, ["a", "b"]).await.unwrap();
        let reserved = jobs.reserve("jobs").lease(Duration::from_secs(60)).await.unwrap().unwrap();
        let elsewhere = Client::new(gateway.grpc()).unwrap().list();
        let found = elsewhere.lease("jobs", reserved.token().clone());
        assert_eq!((found.values(), found.token()), (&[][..], reserved.token()));
        found.extend(Duration::from_secs(90)).await.unwrap();
        for (list, token) in
            [("other", reserved.token().clone()), ("jobs", "no token".into()), ("jobs", "".into())]
        {
            let ended = elsewhere.lease(list, token).ack().await.unwrap_err();
            assert_eq!(ended.reason(), Some(ErrorReason::LeaseEnded), "{list}");
        }
        let refused = jobs.reserve("jobs").metadata("A Name", "value").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
        assert_eq!(found.ack().await.unwrap(), 1);
        assert_eq!(reserved.ack().await.unwrap_err().reason(), Some(ErrorReason::LeaseEnded));
    }
}

#[tokio::test]
async fn a_wait_beyond_the_limit_is_refused() {
    // Nothing listens there.
    let jobs = Client::new("127.0.0.1:1").unwrap().list();
    for wait in [Duration::from_secs(301), Duration::MAX] {
        let refused = jobs.reserve("jobs").wait(wait).await.unwrap_err();
        assert_eq!((refused.reason(), refused.field()), (Some(ErrorReason::WaitInvalid), Some("wait")));
    }
}

#[tokio::test]
async fn a_repeated_push_counts_once_and_a_read_has_no_key() {
    const KEY: &str = "idempotency-key";
    let key = |seq: u64| format!("0123456789abcdef0123456789abcdef.{seq}.0");
    for (gateway, _behind) in &gateways() {
        let client = Client::new(gateway.grpc()).unwrap();
        let promised = client.namespace("default").capabilities().await.unwrap();
        assert!(promised.idempotent_retries);
        let list = client.list();
        for _ in 0..3 {
            assert_eq!(list.push_left("l", "v").metadata(KEY, &key(1)).await.unwrap(), 1);
        }
        let reused = list.push_left("l", "w").metadata(KEY, &key(1)).await.unwrap_err();
        assert_eq!(reused.reason(), Some(ErrorReason::IdempotencyKeyReused));
        for _ in 0..3 {
            let popped = list.pop_left("l").metadata(KEY, &key(2)).await.unwrap();
            assert_eq!(popped.unwrap(), "v");
        }
        assert_eq!(list.length("l").await.unwrap(), 0);
        let read = list.length("l").metadata(KEY, &key(3)).await.unwrap_err();
        assert_eq!(read.reason(), Some(ErrorReason::IdempotencyKeyInvalid));
    }
}

#[tokio::test]
async fn a_repeated_wait_is_answered_from_its_record_while_its_server_drains() {
    let redis = Redis::start();
    let url = redis.url();
    let start = || {
        let args = ["--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--redis", &url];
        Process::start("prism-redis", args)
    };
    let (one, mut other) = (start(), start());
    let (first, second) =
        (Client::new(one.grpc()).unwrap().list(), Client::new(other.grpc()).unwrap().list());
    let key = |seq: u64| format!("0123456789abcdef0123456789abcdef.{seq}.0");
    let wait = Duration::from_secs(20);
    first.push_many("jobs", End::Right, ["a", "b", "c"]).await.unwrap();
    let pop = first.blocking_pop("jobs", End::Left, wait).metadata("idempotency-key", &key(1));
    assert_eq!(pop.await.unwrap().unwrap(), "a");
    let reserve = first.reserve("jobs").wait(wait).metadata("idempotency-key", &key(2));
    assert_eq!(shown(&reserve.await.unwrap().unwrap()), [(&b"b"[..], 1)]);

    redis.tell(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    let pop = second.blocking_pop("jobs", End::Left, wait).metadata("idempotency-key", &key(1));
    let reserve = second.reserve("jobs").wait(wait).metadata("idempotency-key", &key(2));
    let (popped, reserved) = (tokio::spawn(pop.into_future()), tokio::spawn(reserve.into_future()));
    other.until_metric("prism_calls_in_flight", |calls| calls == 2.0).await;
    other.signal(Signal::TERM);
    other.until_logged("draining").await;
    redis.tell(&["CLIENT", "UNPAUSE"]);
    assert_eq!(popped.await.unwrap().unwrap().unwrap(), "a");
    assert_eq!(shown(&reserved.await.unwrap().unwrap().unwrap()), [(&b"b"[..], 1)]);
    assert_eq!(first.length("jobs").await.unwrap(), 1);
}

#[tokio::test]
async fn a_backend_that_keeps_no_answers_refuses_keys() {
    let redis = Redis::start();
    redis.tell(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let plugin = Process::start("prism-redis", ["--listen", "127.0.0.1:0", "--redis", &redis.url()]);
    let list = Client::new(plugin.grpc()).unwrap().list();
    let key = "0123456789abcdef0123456789abcdef.1.0";
    let refused = list.push_left("l", "v").metadata("idempotency-key", key).await.unwrap_err();
    assert_eq!(refused.reason(), Some(ErrorReason::IdempotencyKeyInvalid));
}

/// What a client of Redis does to the connections of all others.
const CUT: &[&str] = &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushes_and_increments_count_once_while_gateways_and_connections_die() {
    const CALLERS: usize = 8;
    const KILLS: usize = 4;
    let redis = Redis::start();
    let start = |listen: &str| Proxy::with_flags(&on_redis(&redis), &["--listen", listen]);
    let mut gateway = start("127.0.0.1:0");
    let address = gateway.grpc().to_owned();
    let client =
        Client::builder(&address).timeout(Duration::from_secs(50)).attempts_max(1000).build().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let counted = Arc::new(AtomicI64::new(0));
    let callers = (0..CALLERS).map(|caller| {
        let (client, stop, counted) = (client.clone(), Arc::clone(&stop), Arc::clone(&counted));
        tokio::spawn(async move {
            let (list, keys, queue) = (client.list(), client.keyvalue(), format!("queue/{caller}"));
            let mut calls = 0;
            while !stop.load(Ordering::SeqCst) {
                calls += 1;
                assert_eq!(list.push_right(&queue, format!("{calls}")).await.unwrap(), calls);
                keys.increment("sum", 1).await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
            }
            (queue, calls)
        })
    });
    let callers: Vec<_> = callers.collect();
    let goes_on = async || {
        let enough = counted.load(Ordering::SeqCst) + 200;
        while counted.load(Ordering::SeqCst) < enough {
            assert!(!callers.iter().any(tokio::task::JoinHandle::is_finished), "a caller has failed");
            tokio::task::yield_now().await;
        }
    };
    for _ in 0..KILLS {
        goes_on().await;
        redis.tell(CUT);
        goes_on().await;
        gateway.process.kill();
        gateway = start(&address);
    }
    goes_on().await;
    stop.store(true, Ordering::SeqCst);
    let list = client.list();
    for caller in callers {
        let (queue, calls) = caller.await.unwrap();
        assert_eq!(list.length(&queue).await.unwrap(), calls, "{queue}");
        let mut expected = 1;
        while let Some(value) = list.pop_left(&queue).await.unwrap() {
            assert_eq!(value, expected.to_string(), "{queue}");
            expected += 1;
        }
    }
    let sum = client.keyvalue().increment("sum", 0).await.unwrap();
    assert_eq!(sum, counted.load(Ordering::SeqCst));
}
