//! Calls that are repeated under an idempotency key: answered as the first time, and applied once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prism_plugin::keyvalue::{Condition, KeyValueCas as _, KeyValueCounter as _, KeyValueTtl as _};
use prism_plugin::list::{
    End, List as _, ListBatch as _, ListBlocking as _, ListIndexing as _, ListRange as _, ListReserve as _,
    Pushed, Reservation,
};
use prism_plugin::retries::{Attempt, IDEMPOTENCY_RECORDS_MAX, IdempotencyKey, IdempotentRetries as _};
use prism_plugin::{Context, Error, ErrorReason, KeyValue as _};
use prism_redis::RedisStore;
use serde_json::json;

use crate::support::cluster::Cluster;
use crate::support::relay::Relay;
use crate::support::server::{Kind, Server};
use crate::support::store::{get, key, length, namespace, patient, push, set, store};
use crate::support::until;

const CLIENT: u128 = 7;

/// The context of a call with this number.
fn call(seq: u64, acked: u64) -> Context {
    let key = IdempotencyKey { client: CLIENT, seq, acked };
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&seq.to_be_bytes());
    patient().attempting(Arc::new(Attempt::new(key, None, "default".to_owned(), "/a.B/C", digest)))
}

/// The same for another request under the same number.
fn other_call(seq: u64) -> Context {
    let key = IdempotencyKey { client: CLIENT, seq, acked: 0 };
    patient().attempting(Arc::new(Attempt::new(key, None, "default".to_owned(), "/a.B/C", [9; 32])))
}

async fn push_under(store: &RedisStore, context: &Context, name: &str, value: &str) -> Result<u64, Error> {
    store.push(context, namespace(), key(name), End::Right, Bytes::from(value.to_owned())).await
}

/// Makes a call twice, with a change by others in between, and returns its answer.
macro_rules! twice {
    ($store:expr, $seq:expr, |$context:ident| $called:expr, $between:expr) => {{
        let $context = &call($seq, 0);
        let first = $called.await.unwrap();
        $between;
        let $context = &call($seq, 0);
        assert_eq!($called.await.unwrap(), first, "call {}", $seq);
        let $context = &other_call($seq);
        let reused = $called.await.unwrap_err();
        assert_eq!(reused.reason, ErrorReason::IdempotencyKeyReused, "call {}: {reused}", $seq);
        first
    }};
}

fn applied(value: Option<&'static str>, applied: bool) -> prism_plugin::keyvalue::Conditional {
    prism_plugin::keyvalue::Conditional { applied, current: value.map(Bytes::from) }
}

/// Every write of one key or list, whatever its answer looks like.
async fn each_verb_is_applied_once(store: &RedisStore, tell: impl Fn(&[&str]), list: &str, number: &str) {
    let (l, n, ns) = (|| key("{x}l"), || key("{x}n"), namespace);
    let values = || ["a", "b", "c", "d", "e", "e"].map(Bytes::from).to_vec();
    let many = twice!(
        store,
        1,
        |context| store.push_many(context, ns(), l(), End::Right, values(), Some(5)),
        tell(&["RPUSH", list, "f"])
    );
    assert_eq!(many, Pushed { new_length: 5, trimmed: 1 });
    let pushed =
        twice!(store, 2, |context| push_under(store, context, "{x}l", "g"), tell(&["LPUSH", list, "x"]));
    assert_eq!(pushed, 7);
    let popped =
        twice!(store, 3, |context| store.pop(context, ns(), l(), End::Left), tell(&["LPUSH", list, "x"]));
    assert_eq!(popped.unwrap(), "x");
    let popped = twice!(store, 4, |context| store.pop_many(context, ns(), l(), End::Left, 2), ());
    assert_eq!(popped.concat(), b"xb");
    assert_eq!(twice!(store, 5, |context| store.remove(context, ns(), l(), "e".into(), 0), ()), 2);
    assert!(twice!(store, 6, |context| store.set_at(context, ns(), l(), 0, "C".into()), ()));
    assert_eq!(twice!(store, 7, |context| store.trim(context, ns(), l(), 0, 1), ()), 2);
    let wait = Duration::from_secs(20);
    let popped = twice!(
        store,
        8,
        |context| store.blocking_pop(context, ns(), l(), End::Left, wait),
        tell(&["RPUSH", list, "h"])
    );
    assert_eq!(popped.unwrap(), "C");
    let reservation =
        |end, wait| Reservation { end, count: 1, lease: Duration::from_secs(60), wait, deliveries: None };
    for (seq, wait) in [(9, Duration::ZERO), (10, wait)] {
        let reserved =
            twice!(store, seq, |context| store.reserve(context, ns(), l(), reservation(End::Left, wait)), ());
        let lease = reserved.unwrap().lease;
        let lease = || lease.clone();
        if seq == 9 {
            let released = twice!(store, 11, |context| store.release(context, ns(), l(), lease()), ());
            assert_eq!(released, Some(1));
        } else {
            let minute = Duration::from_secs(60);
            assert!(twice!(store, 12, |context| store.extend(context, ns(), l(), lease(), minute), ()));
            assert_eq!(twice!(store, 13, |context| store.ack(context, ns(), l(), lease()), ()), Some(1));
        }
    }
    assert_eq!(twice!(store, 14, |context| store.clear(context, ns(), l()), tell(&["RPUSH", list, "v"])), 1);
    tell(&["DEL", list]);
    // What finds nothing is recorded, too.
    let nothing = [Duration::ZERO, Duration::from_millis(1)];
    for (seq, wait) in (15..).zip(nothing) {
        let found = twice!(
            store,
            seq,
            |context| store.blocking_pop(context, ns(), l(), End::Left, wait),
            tell(&["RPUSH", list, "v"])
        );
        assert_eq!(found, None);
        tell(&["DEL", list]);
        let found = twice!(
            store,
            seq + 10,
            |context| store.reserve(context, ns(), l(), reservation(End::Left, wait)),
            tell(&["RPUSH", list, "v"])
        );
        assert_eq!(found, None);
        tell(&["DEL", list]);
    }
    let popped =
        twice!(store, 17, |context| store.pop(context, ns(), l(), End::Left), tell(&["RPUSH", list, "v"]));
    assert_eq!(popped, None);

    tell(&["SET", number, "9007199254740993"]);
    let sum = twice!(store, 40, |context| store.increment(context, ns(), n(), 1 << 60, 0, None), ());
    assert_eq!(sum, 9_007_199_254_740_993 + (1 << 60), "all 64 bits");
    let set = twice!(
        store,
        41,
        |context| store.get_and_set(context, ns(), n(), "a".into(), None),
        tell(&["SET", number, "b"])
    );
    assert_eq!(set.unwrap(), "1161928703861587969");
    let new = || (Bytes::from_static(b"new"), None);
    let hash = |value: &[u8]| {
        Condition::EqualsSha256(
            sha2::Digest::finalize(sha2::Digest::chain_update(<sha2::Sha256 as sha2::Digest>::new(), value))
                .into(),
        )
    };
    let conditions = [
        (42, Condition::Absent, false, applied(None, false)),
        (43, Condition::Present, false, applied(None, true)),
        (44, Condition::Equals("b".into()), false, applied(None, true)),
        (45, Condition::Differs("x".into()), true, applied(Some("b"), true)),
        (46, hash(b"b"), true, applied(Some("b"), true)),
        (47, hash(b"b"), false, applied(None, true)),
        (48, hash(b"x"), true, applied(Some("b"), false)),
    ];
    for (seq, condition, current, expected) in conditions {
        tell(&["SET", number, "b"]);
        let condition = || condition.clone();
        let set = twice!(
            store,
            seq,
            |context| store.set_if(context, ns(), n(), new(), condition(), current),
            tell(&["SET", number, if seq == 48 { "x" } else { "c" }])
        );
        assert_eq!(set, expected, "call {seq}");
        let now = get(store, "{x}n").await.unwrap();
        assert_eq!(now.as_deref(), Some(if seq == 48 { "x" } else { "c" }), "call {seq}");
        if seq == 42 {
            continue;
        }
        tell(&["SET", number, "b"]);
        let deleted = twice!(
            store,
            seq + 10,
            |context| store.delete_if(context, ns(), n(), condition(), current),
            tell(&["SET", number, if seq == 48 { "x" } else { "b" }])
        );
        assert_eq!(deleted, expected, "call {}", seq + 10);
    }
    tell(&["SET", number, "b"]);
    let ttl = || prism_plugin::types::Ttl::from_secs(60).unwrap();
    assert!(twice!(store, 60, |context| store.expire(context, ns(), n(), ttl()), ()));
    assert_eq!(twice!(store, 61, |context| store.persist(context, ns(), n()), ()), Some(true));
    let deleted =
        twice!(store, 62, |context| store.get_and_delete(context, ns(), n()), tell(&["SET", number, "c"]));
    assert_eq!(deleted.unwrap(), "b");
    assert!(twice!(store, 63, |context| store.delete(context, ns(), n()), tell(&["SET", number, "c"])));
    twice!(store, 64, |context| store.set(context, ns(), n(), "v".into(), None), tell(&["SET", number, "w"]));
    assert_eq!(get(store, "{x}n").await.unwrap().as_deref(), Some("w"));
}

#[tokio::test]
async fn each_verb_is_applied_once_on_a_server() {
    for (kind, layout) in [(Kind::Redis, "prism"), (Kind::Valkey, "prism"), (Kind::Redis, "raw")] {
        let server = Server::start(kind, &[]);
        let store = store(json!({ "url": server.url(), "layout": layout }));
        let tell = |words: &[&str]| _ = server.tell(words);
        let [list, number] = match layout {
            "raw" => ["{x}l", "{x}n"],
            _ => ["li:default:{x}l", "kv:default:{x}n"],
        };
        each_verb_is_applied_once(&store, tell, list, number).await;
    }
}

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
    assert!(!store.capabilities().idempotent_retries, "nobody has asked the server yet");
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
    let primary = Server::start(Kind::Redis, &[]);
    let replica = Server::start(Kind::Redis, &["--replicaof", "127.0.0.1", &primary.port.to_string()]);
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

/// A call that has taken a value which nobody got, held between the server and the caller.
async fn held(relay: &Relay, server: &Server, store: &RedisStore) -> tokio::task::JoinHandle<()> {
    set(store, "warm", "v").await.unwrap();
    push(store, "other", "v").await.unwrap();
    let wait = Duration::from_secs(20);
    store.blocking_pop(&patient(), namespace(), key("other"), End::Left, wait).await.unwrap();
    // The question for a record, too.
    store.blocking_pop(&call(99, 0), namespace(), key("other"), End::Left, Duration::ZERO).await.unwrap();
    server.tell(&["RPUSH", "li:default:l", "a", "b"]);
    let waiting = store.clone();
    relay.hold_answers_after(1);
    let waiting = tokio::spawn(async move {
        let _ = waiting.blocking_pop(&call(1, 0), namespace(), key("l"), End::Left, wait).await;
    });
    let is_popped = |length: &u64| *length == 1;
    server.until("a value is popped", &["LLEN", "li:default:l"], is_popped).await;
    waiting
}

#[tokio::test]
async fn a_value_whose_waiter_has_gone_returns_unless_a_repetition_has_got_it() {
    for is_repeated in [false, true] {
        let server = Server::start(Kind::Redis, &[]);
        let relay = Relay::start(server.port).await;
        let near = store(json!({ "url": relay.url(), "connections": 1 }));
        let far = store(json!({ "url": server.url() }));
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
        let is_undone = async || (server.calls("evalsha") + server.calls("eval") > 0).then_some(());
        until("it is undone", is_undone).await;
        let expected = if is_repeated { 1 } else { 2 };
        assert_eq!(length(&far, "l").await.unwrap(), expected);
        assert_eq!(again().await, "a", "the same again, or anew");
        assert_eq!(length(&far, "l").await.unwrap(), 1);
    }
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
