//! Conditional writes and counters where Redis by itself would do something else.

use bytes::Bytes;
use prism_plugin::keyvalue::{Condition, KeyValueCas as _, KeyValueCounter as _};
use prism_plugin::types::Ttl;
use prism_plugin::{ErrorReason, KeyValue as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::support::server::{Kind, Server};
use crate::support::store::{get, key, namespace, patient, set, store};

fn hash(value: &[u8]) -> Condition {
    Condition::EqualsSha256(Sha256::digest(value).into())
}

#[tokio::test]
async fn a_hash_is_compared_with_the_value_that_is_replaced() {
    let server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url() }));
    let large = Bytes::from(vec![7; 4 * 1024 * 1024 - 16 * 1024]);
    store.set(&patient(), namespace(), key("a"), large.clone(), None).await.unwrap();
    let context = patient();
    let set_if = |value: &'static str, condition| {
        let write = (Bytes::from_static(value.as_bytes()), None);
        store.set_if(&context, namespace(), key("a"), write, condition, true)
    };
    let ended = set_if("1", hash(b"other")).await;
    let ended = ended.unwrap();
    assert_eq!((ended.applied, ended.current.as_ref()), (false, Some(&large)));
    let ended = set_if("1", hash(&large)).await.unwrap();
    assert_eq!((ended.applied, ended.current), (true, Some(large)));
    assert_eq!(get(&store, "a").await.unwrap().as_deref(), Some("1"));
    let removed = store.delete_if(&patient(), namespace(), key("a"), hash(b"1"), false).await.unwrap();
    assert_eq!((removed.applied, removed.current), (true, None));
    let ended = set_if("1", hash(b"1")).await.unwrap();
    assert_eq!((ended.applied, ended.current), (false, None), "a missing key equals nothing");
}

#[tokio::test]
async fn an_equal_value_is_replaced_and_removed_alike_on_every_server() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let server = Server::start(kind, &[]);
        let store = store(json!({ "url": server.url() }));
        let context = patient();
        let equals = |value: &'static str| Condition::Equals(value.into());
        let minute = Some(Ttl::from_secs(60).unwrap());
        set(&store, "a", "1").await.unwrap();
        for (expected, new, ttl, is_applied) in [
            ("0", "2", None, false),
            ("1", "2", minute, true),
            ("1", "3", None, false),
            ("2", "3", None, true),
        ] {
            let write = (Bytes::from(new), ttl);
            let ended =
                store.set_if(&context, namespace(), key("a"), write, equals(expected), false).await.unwrap();
            assert_eq!((ended.applied, ended.current), (is_applied, None), "{kind:?}, {expected}");
            let expires = ttl.is_some() || (new == "3" && !is_applied);
            let left: i64 = server.ask(&["PTTL", "kv:default:a"]).unwrap();
            assert_eq!(left > 0, expires, "{kind:?}, {expected}: {left}");
        }
        let write = (Bytes::from("v"), None);
        let ended = store.set_if(&context, namespace(), key("b"), write, equals(""), false).await.unwrap();
        assert!(!ended.applied, "a missing key equals nothing");
        for (expected, is_applied) in [("2", false), ("3", true), ("3", false)] {
            let ended =
                store.delete_if(&context, namespace(), key("a"), equals(expected), false).await.unwrap();
            assert_eq!(ended.applied, is_applied, "{kind:?}, {expected}");
        }
        let scripts = server.calls("evalsha") + server.calls("eval");
        assert_eq!(scripts == 0, kind == Kind::Valkey, "Valkey has commands for it: {scripts}");
    }
}

/// Each turn replaces the value whose hash it knows, so that lost turns would be missing in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writes_that_depend_on_a_hash_lose_nothing() {
    const CALLERS: usize = 4;
    const TURNS: usize = 50;
    let server = Server::start(Kind::Valkey, &[]);
    let store = store(json!({ "url": server.url() }));
    set(&store, "a", "0").await.unwrap();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut applied = 0;
                while applied < TURNS {
                    let now: u64 = get(&store, "a").await.unwrap().unwrap().parse().unwrap();
                    let write = (Bytes::from((now + 1).to_string()), None);
                    let condition = hash(now.to_string().as_bytes());
                    let ended =
                        store.set_if(&patient(), namespace(), key("a"), write, condition, false).await;
                    applied += usize::from(ended.unwrap().applied);
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(get(&store, "a").await.unwrap(), Some((CALLERS * TURNS).to_string()));
}

#[tokio::test]
async fn counters_agree_with_redis_and_keep_64_bits() {
    let server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url() }));
    let add = |name: &'static str, delta, initial| {
        let store = &store;
        async move { store.increment(&patient(), namespace(), key(name), delta, initial, None).await }
    };
    // Beyond what a number of a script can hold.
    assert_eq!(add("n", 1, i64::MAX - 1).await, Ok(i64::MAX));
    assert_eq!(get(&store, "n").await.unwrap(), Some(i64::MAX.to_string()));
    assert_eq!(add("n", i64::MIN, 5).await, Ok(-1));
    assert_eq!(add("m", i64::MIN, 0).await, Ok(i64::MIN));
    server.tell(&["SET", "kv:default:p", "9007199254740993"]);
    assert_eq!(add("p", 2, 7).await, Ok(9_007_199_254_740_995));
    for initial in [0, 7] {
        assert_eq!(add("m", -1, initial).await.unwrap_err().reason, ErrorReason::CounterOverflow);
        for text in ["+1", "01", "-0", " 1", "1.0", "", "x"] {
            server.tell(&["SET", "kv:default:t", text]);
            let refused = add("t", 1, initial).await.unwrap_err();
            assert_eq!(refused.reason, ErrorReason::NotANumber, "{text:?}, initial {initial}");
            assert_eq!(get(&store, "t").await.unwrap().as_deref(), Some(text));
        }
    }
    server.tell(&["INCRBY", "kv:default:p", "1"]);
    assert_eq!(get(&store, "p").await.unwrap().as_deref(), Some("9007199254740996"));
}
