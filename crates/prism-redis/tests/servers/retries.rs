//! Calls that are repeated under an idempotency key: answered as the first time, and applied once.

use std::time::Duration;

use bytes::Bytes;
use prism_plugin::list::{End, List as _, ListBlocking as _};
use prism_plugin::retries::{Attempt, IDEMPOTENCY_RECORDS_MAX, IdempotencyKey, IdempotentRetries as _};
use prism_plugin::{ErrorReason, KeyValue as _};
use prism_redis::RedisStore;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::support::cluster::Cluster;
use crate::support::relay::Relay;
use crate::support::server::{Kind, Server};
use crate::support::store::{call, key, length, namespace, patient, push, push_under, set, store};
use crate::support::until;

#[tokio::test]
async fn a_push_whose_answer_is_lost_is_repeated_without_being_applied_twice() {
    let server = Server::start(Kind::Redis, &[]);
    let relay = Relay::start(server.port).await;
    let (near, far) = (store(json!({ "url": relay.url() })), store(json!({ "url": server.url() })));
    push_under(&near, &call(1, 0), "l", "first").await.unwrap();
    for seq in 2..30 {
        until("calls succeed", async || length(&near, "l").await.ok()).await;
        relay.cut_at_next_answer();
        let lost = push_under(&near, &call(seq, seq), "l", "v").await.unwrap_err();
        assert_eq!((lost.reason, lost.fact("applied")), (ErrorReason::BackendLost, Some("maybe")));
        // Another process answers it as well.
        let answerer = if seq % 2 == 0 { &far } else { &near };
        let pushed =
            until("it is answered", async || push_under(answerer, &call(seq, seq), "l", "v").await.ok());
        assert_eq!(pushed.await, seq);
    }
    assert_eq!(length(&far, "l").await.unwrap(), 29);
}

#[tokio::test]
async fn records_are_freed_when_they_are_acknowledged_and_limited_when_they_are_not() {
    let server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url() }));
    let records = || {
        let names: Vec<String> = server.ask(&["KEYS", "prism:{*}:answers:*"]).unwrap();
        server.ask::<u64>(&["HLEN", &names[0]]).unwrap()
    };
    for seq in 1..1000 {
        push_under(&store, &call(seq, seq), "l", "v").await.unwrap();
    }
    assert!(records() <= 70, "{} records", records());
    let late = push_under(&store, &call(1, 1), "l", "v").await.unwrap_err();
    assert_eq!(late.reason, ErrorReason::IdempotencyWindowPassed, "{late}");
    let most = IDEMPOTENCY_RECORDS_MAX as u64;
    let mut seq = 1000;
    let full = loop {
        match push_under(&store, &call(seq, 999), "l", "v").await {
            Ok(_) => seq += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((full.reason, full.fact("applied")), (ErrorReason::IdempotencyLimit, Some("no")), "{full}");
    assert!((1000 + most - 70..=1000 + most).contains(&seq), "{seq}");
    assert_eq!(length(&store, "l").await.unwrap(), seq - 1, "what was refused was not applied");
    push_under(&store, &call(seq - 1, 999), "l", "v").await.expect("a repetition is answered at the limit");
    push_under(&store, &call(seq, seq - 1), "l", "v").await.unwrap();
    assert!(records() <= 3, "{} records", records());

    // What nobody acknowledges is freed when it is 2 minutes old.
    for seq in seq + 1..seq + most {
        let _ = push_under(&store, &call(seq, 999), "l", "v").await;
    }
    let seq = seq + most;
    let refused = push_under(&store, &call(seq, 999), "l", "v").await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::IdempotencyLimit);
    let age = "local all = redis.call('KEYS', 'prism:{*}:answers:*')[1] \
               for _, field in ipairs(redis.call('HKEYS', all)) do \
                 local record = redis.call('HGET', all, field) \
                 if field ~= 'meta' then \
                   redis.call('HSET', all, field, record:sub(1, 33) .. string.rep('0', 16) .. record:sub(50)) \
                 else redis.call('HSET', all, field, (record:gsub('%d+$', '0'))) end \
               end";
    server.ask::<()>(&["EVAL", age, "0"]).unwrap();
    push_under(&store, &call(seq, 999), "l", "v").await.unwrap();
    assert!(records() <= 3, "{} records", records());
    let names: Vec<String> = server.ask(&["KEYS", "prism:{*}:answers:*"]).unwrap();
    let life = server.ask::<u64>(&["PTTL", &names[0]]).unwrap();
    assert!((110_000..=120_000).contains(&life), "{life}");
}

#[tokio::test]
async fn at_the_memory_limit_pops_are_recorded_and_pushes_refused() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let server = Server::start(kind, &["--maxmemory-policy", "noeviction"]);
        let store = store(json!({ "url": server.url() }));
        push(&store, "l", "a").await.unwrap();
        push(&store, "l", "b").await.unwrap();
        server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
        for _ in 0..2 {
            let full = push_under(&store, &call(1, 0), "l", "v").await.unwrap_err();
            assert_eq!(full.reason, ErrorReason::MemoryLimit);
            let popped = store.pop(&call(2, 0), namespace(), key("l"), End::Left).await.unwrap();
            assert_eq!(popped.unwrap(), "a");
            let wait = Duration::from_secs(20);
            let popped = store.blocking_pop(&call(3, 0), namespace(), key("l"), End::Left, wait).await;
            assert_eq!(popped.unwrap().unwrap(), "b");
            assert_eq!(store.pop(&call(4, 0), namespace(), key("l"), End::Left).await.unwrap(), None);
        }
        server.tell(&["CONFIG", "SET", "maxmemory", "0"]);
        assert_eq!(
            push_under(&store, &call(1, 0), "l", "v").await.unwrap(),
            1,
            "a failed call has no record"
        );
    }
}

#[tokio::test]
async fn what_the_servers_do_when_they_are_full_decides_whether_answers_are_kept() {
    let server = Server::start(Kind::Redis, &["--maxmemory-policy", "noeviction"]);
    let store = store(json!({ "url": server.url() }));
    assert!(store.capabilities().idempotent_retries, "the first call will ask the server");
    let key = IdempotencyKey { client: 1, seq: 1, acked: 0 };
    let attempt = Attempt::new(key, None, "default".to_owned(), "/a.B/C", [0; 32]);
    assert_eq!(store.recall(&attempt).await, Ok(None), "a first call asks the server");
    for (policy, keeps) in [("allkeys-lru", false), ("noeviction", true), ("volatile-ttl", false)] {
        server.tell(&["CONFIG", "SET", "maxmemory-policy", policy]);
        store.check().await.unwrap();
        assert_eq!(store.capabilities().idempotent_retries, keeps, "{policy}");
        let recalled = store.recall(&attempt).await;
        let reason = recalled.err().map(|error| error.reason);
        assert_eq!(reason, (!keeps).then_some(ErrorReason::IdempotencyKeyInvalid), "{policy}");
    }
    let another = crate::support::store::store(json!({ "url": server.url() }));
    assert_eq!(another.recall(&attempt).await.unwrap_err().reason, ErrorReason::IdempotencyKeyInvalid);
    let unreachable = crate::support::store::store(json!({ "url": "redis://127.0.0.1:1" }));
    let unknown = unreachable.recall(&attempt).await.unwrap_err();
    assert_eq!((unknown.reason, unknown.fact("applied")), (ErrorReason::BackendUnreachable, Some("no")));
}

#[tokio::test]
async fn a_cluster_keeps_answers_only_if_each_of_its_nodes_does() {
    let cluster = Cluster::start(Kind::Redis).await;
    let store = store(json!({ "urls": cluster.urls(), "cluster": true }));
    store.probe().await.unwrap();
    assert!(store.capabilities().idempotent_retries);
    for primary in cluster.primaries() {
        let node = &cluster.nodes[primary];
        node.tell(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
        store.check().await.unwrap();
        assert!(!store.capabilities().idempotent_retries);
        node.tell(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
        store.check().await.unwrap();
        assert!(store.capabilities().idempotent_retries);
    }
    let calls = (0..200).map(|number| (format!("l{number}"), number));
    for (list, number) in calls {
        let context = &call(number, 0);
        assert_eq!(push_under(&store, context, &list, "v").await, Ok(1));
        assert_eq!(push_under(&store, context, &list, "v").await, Ok(1), "in each slot");
    }
}

#[tokio::test]
async fn a_repetition_waits_for_replicas_as_the_first_call_did() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let primary = Server::start(kind, &[]);
        let replica = Server::start(kind, &["--replicaof", "127.0.0.1", &primary.port.to_string()]);
        let is_linked = |info: &String| info.contains("master_link_status:up");
        replica.until("the replica is linked", &["INFO", "replication"], is_linked).await;
        let store_of = |timeout: &str| {
            store(json!({ "url": primary.url(), "durability": { "replicas": 1, "timeout": timeout } }))
        };
        push_under(&store_of("20s"), &call(1, 0), "l", "a").await.unwrap();
        replica.pause();
        for _ in 0..2 {
            // On connections that have written nothing.
            let short = push_under(&store_of("50ms"), &call(2, 0), "l", "b").await.unwrap_err();
            assert_eq!(short.reason, ErrorReason::DurabilityNotReached);
        }
        replica.resume();
        assert_eq!(push_under(&store_of("20s"), &call(2, 0), "l", "b").await, Ok(2));
        assert_eq!(primary.ask::<u64>(&["LLEN", "li:default:l"]).unwrap(), 2);
    }
}

/// A wait that no test waits out.
const WAIT: Duration = Duration::from_secs(20);

/// Lets the server know the scripts of pops that wait, so that the next answers are those of the scripts.
async fn knows_the_scripts(store: &RedisStore) {
    set(store, "warm", "v").await.unwrap();
    push(store, "other", "v").await.unwrap();
    store.blocking_pop(&call(98, 0), namespace(), key("other"), End::Left, WAIT).await.unwrap();
    // The question for a record, too.
    store.blocking_pop(&call(99, 0), namespace(), key("other"), End::Left, Duration::ZERO).await.unwrap();
}

/// A call that has taken the first of two values which nobody got, held between the server and the caller.
async fn held(relay: &Relay, server: &Server, store: &RedisStore) -> JoinHandle<Option<Bytes>> {
    let waiting = store.clone();
    relay.hold_answers_after(1);
    let waiting = tokio::spawn(async move {
        waiting.blocking_pop(&call(1, 0), namespace(), key("l"), End::Left, WAIT).await.ok().flatten()
    });
    has_length(server, 1).await;
    waiting
}

async fn has_length(server: &Server, expected: u64) {
    let is_right = |length: &u64| *length == expected;
    server.until(&format!("the list has {expected}"), &["LLEN", "li:default:l"], is_right).await;
}

#[tokio::test]
async fn a_value_whose_waiter_has_gone_returns_unless_a_repetition_has_got_it() {
    for is_repeated in [false, true] {
        let server = Server::start(Kind::Redis, &[]);
        let relay = Relay::start(server.port).await;
        let near = store(json!({ "url": relay.url(), "connections": 1 }));
        let far = store(json!({ "url": server.url() }));
        knows_the_scripts(&near).await;
        server.tell(&["RPUSH", "li:default:l", "a", "b"]);
        let waiting = held(&relay, &server, &near).await;
        let again = async || {
            let wait = Duration::from_millis(1);
            far.blocking_pop(&call(1, 0), namespace(), key("l"), End::Left, wait).await.unwrap().unwrap()
        };
        if is_repeated {
            assert_eq!(again().await, "a");
        }
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        server.tell(&["CONFIG", "RESETSTAT"]);
        relay.release_answers();
        // The server has not known the script.
        let is_undone = async || (server.calls("eval") > 0).then_some(());
        until("it is undone", is_undone).await;
        let expected = if is_repeated { 1 } else { 2 };
        assert_eq!(length(&far, "l").await.unwrap(), expected);
        assert_eq!(again().await, "a", "the same again, or anew");
        assert_eq!(length(&far, "l").await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_value_that_is_returned_twice_is_in_its_list_once_though_a_repetition_has_taken_it_in_between() {
    let server = Server::start(Kind::Redis, &[]);
    let (relay, other) = (Relay::start(server.port).await, Relay::start(server.port).await);
    let near = store(json!({ "url": relay.url(), "connections": 1 }));
    let far = store(json!({ "url": other.url(), "connections": 1 }));
    knows_the_scripts(&near).await;
    knows_the_scripts(&far).await;
    server.tell(&["RPUSH", "li:default:l", "a", "b"]);
    let waiting = held(&relay, &server, &near).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    // Behind the answer of the pop, and that the server does not know the script.
    relay.cut_at_answer(3);
    relay.hold_connections();
    relay.release_answers();
    has_length(&server, 2).await;
    let again = held(&other, &server, &far).await;
    server.tell(&["CONFIG", "RESETSTAT"]);
    relay.admit_connections();
    until("it is sent again", async || (server.calls("evalsha") > 0).then_some(())).await;
    other.release_answers();
    assert_eq!(again.await.unwrap().unwrap(), "a");
    assert_eq!(server.ask::<Vec<String>>(&["LRANGE", "li:default:l", "0", "-1"]).unwrap(), ["b"]);
}

#[tokio::test]
async fn a_value_returns_although_its_call_has_been_acknowledged() {
    for client_goes_on in [false, true] {
        let server = Server::start(Kind::Valkey, &[]);
        let relay = Relay::start(server.port).await;
        let near = store(json!({ "url": relay.url(), "connections": 1 }));
        let far = store(json!({ "url": server.url() }));
        knows_the_scripts(&near).await;
        server.tell(&["RPUSH", "li:default:l", "a", "b"]);
        let waiting = held(&relay, &server, &near).await;
        if client_goes_on {
            // So many that answers are freed.
            for seq in 100..200 {
                push_under(&far, &call(seq, seq), "other", "v").await.unwrap();
            }
        }
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        relay.release_answers();
        has_length(&server, 2).await;
        assert_eq!(server.ask::<Vec<String>>(&["LRANGE", "li:default:l", "0", "-1"]).unwrap(), ["a", "b"]);
    }
}

#[tokio::test]
async fn what_waiters_have_got_is_not_kept() {
    let server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url() }));
    for seq in 1..500 {
        for context in [call(seq, seq), patient()] {
            push(&store, "l", "v").await.unwrap();
            store.blocking_pop(&context, namespace(), key("l"), End::Left, WAIT).await.unwrap().unwrap();
        }
    }
    let names = |pattern: &str| server.ask::<Vec<String>>(&["KEYS", pattern]).unwrap();
    let records: u64 = server.ask(&["HLEN", &names("prism:{*}:answers:*")[0]]).unwrap();
    assert!(records <= 140, "{records} records");
    for pattern in ["prism:{*}:open:*", "prism:{*}:note:*"] {
        until("nothing is open", async || names(pattern).is_empty().then_some(())).await;
    }
}

#[tokio::test]
async fn a_record_of_an_earlier_version_is_closed_by_a_repetition() {
    let server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url() }));
    push(&store, "l", "a").await.unwrap();
    let popped = async || {
        store.blocking_pop(&call(1, 0), namespace(), key("l"), End::Left, WAIT).await.unwrap().unwrap()
    };
    assert_eq!(popped().await, "a");
    let names: Vec<String> = server.ask(&["KEYS", "prism:{*}:answers:*"]).unwrap();
    let number = format!("{:016x}", 1);
    let mark = || server.ask::<Vec<u8>>(&["HGET", &names[0], &number]).unwrap()[0];
    assert_eq!(mark(), b'k');
    // That is how it marked what its undo may return.
    let open = "redis.call('HSET', KEYS[1], ARGV[1], 'o' .. redis.call('HGET', KEYS[1], ARGV[1]):sub(2))";
    server.ask::<()>(&["EVAL", open, "1", &names[0], &number]).unwrap();
    assert_eq!(mark(), b'o');
    assert_eq!(popped().await, "a");
    assert_eq!(mark(), b'k');
}

#[tokio::test]
async fn no_mark_stays_of_what_was_undone_long_ago_or_has_taken_nothing() {
    let server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url() }));
    // So many that the next call frees some.
    for seq in 1..200 {
        push_under(&store, &call(seq, 0), "other", "v").await.unwrap();
    }
    let names: Vec<String> = server.ask(&["KEYS", "prism:{*}:answers:*"]).unwrap();
    let open = names[0].replace(":answers:", ":open:");
    let now: (String, String) = server.ask(&["TIME"]).unwrap();
    let [old, new] = ["0", "1"].map(|digit| digit.repeat(32));
    server.tell(&["HSET", &open, &old, "0", &new, &format!("{}000", now.0)]);
    let wait = Duration::from_millis(1);
    let popped = store.blocking_pop(&call(200, 200), namespace(), key("l"), End::Left, wait).await;
    assert_eq!(popped, Ok(None));
    assert_eq!(server.ask::<Vec<String>>(&["HKEYS", &open]).unwrap(), [new]);
}

#[test]
fn a_worker_that_stops_returns_what_it_has_taken_for_a_waiter() {
    let runtime = |threads| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(threads).enable_all().build().unwrap()
    };
    let outside = runtime(2);
    let server = Server::start(Kind::Redis, &[]);
    let relay = outside.block_on(Relay::start(server.port));
    let store = store(json!({ "url": relay.url(), "connections": 1 }));
    let worker = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    worker.block_on(knows_the_scripts(&store));
    server.tell(&["RPUSH", "li:default:l", "a", "b"]);
    let _waiting = worker.block_on(held(&relay, &server, &store));
    let connections = relay.accepted();
    let stopping = std::thread::spawn(move || drop(worker));
    outside.block_on(until("another connection is made", async || {
        (relay.accepted() > connections).then_some(())
    }));
    relay.release_answers();
    stopping.join().unwrap();
    let values: Vec<String> = server.ask(&["LRANGE", "li:default:l", "0", "-1"]).unwrap();
    assert_eq!(values, ["a", "b"]);
}
