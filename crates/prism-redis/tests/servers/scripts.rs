//! Scripts: that each is one atomic step, whatever the server knows, and whether it is full; and which commands need none.

use bytes::Bytes;
use prism_plugin::ErrorReason;
use prism_plugin::keyvalue::{
    Condition, KeyValueBatch as _, KeyValueCas as _, KeyValueCounter as _, KeyValueTtl as _,
};
use prism_plugin::list::{End, ListBatch as _, ListIndexing as _, ListRange as _, Pushed};
use prism_plugin::types::Ttl;
use prism_redis::RedisStore;
use serde_json::json;

use crate::support::relay::Relay;
use crate::support::server::{Kind, Server};
use crate::support::store::{get, key, namespace, patient, push, set, store};
use crate::support::until;

fn minute() -> Option<Ttl> {
    Some(Ttl::from_secs(60).unwrap())
}

async fn increment(store: &RedisStore, name: &str, initial: i64) -> Result<i64, prism_plugin::Error> {
    store.increment(&patient(), namespace(), key(name), 1, initial, minute()).await
}

async fn push_many(store: &RedisStore, name: &str, max_len: u64) -> Result<Pushed, prism_plugin::Error> {
    let values = ["x", "y", "z"].map(Bytes::from).to_vec();
    store.push_many(&patient(), namespace(), key(name), End::Right, values, Some(max_len)).await
}

#[tokio::test]
async fn a_server_that_forgets_scripts_is_sent_them_again() {
    for (kind, durability) in
        [(Kind::Redis, json!(null)), (Kind::Valkey, json!({ "replicas": 1, "timeout": "1ms" }))]
    {
        let server = Server::start(kind, &[]);
        let options = json!({ "url": server.url(), "durability": durability });
        let raw = store(json!({ "url": server.url(), "durability": durability, "layout": "raw" }));
        let store = store(options);
        for expected in [11, 12, 13] {
            server.tell(&["SCRIPT", "FLUSH"]);
            // Without a replica, the write is not acknowledged, but made.
            let sum = increment(&store, "n", 10).await;
            assert!(durability.is_object() || sum == Ok(expected), "{sum:?}");
            assert_eq!(get(&store, "n").await.unwrap(), Some(expected.to_string()));
        }
        let keys: Vec<_> = (0..300).map(|number| key(format!("k{number}"))).collect();
        server.tell(&["SCRIPT", "FLUSH"]);
        let values = store.get_first(&patient(), &namespace(), &keys, true).await;
        assert!(values.iter().all(|value| value == &Ok(None)), "{values:?}");
        server.tell(&["MSET", "a", "1", "b", "2"]);
        server.tell(&["SCRIPT", "FLUSH"]);
        let removed = raw.delete_each(&patient(), namespace(), ["a", "b", "c"].map(key).to_vec()).await;
        assert!(durability.is_object() || removed == [Ok(true), Ok(true), Ok(false)], "{removed:?}");
        assert_eq!(server.ask::<u64>(&["EXISTS", "a", "b"]).unwrap(), 0);
    }
}

#[tokio::test]
async fn a_full_server_refuses_what_adds_and_serves_what_removes() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let server = Server::start(kind, &["--maxmemory-policy", "noeviction"]);
        let store = store(json!({ "url": server.url() }));
        set(&store, "a", "1").await.unwrap();
        for value in ["a", "b", "c", "d", "e"] {
            push(&store, "l", value).await.unwrap();
        }
        server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
        let (context, a, l) = (patient(), || key("a"), || key("l"));
        let if_one = || Condition::Equals("1".into());
        let write = || (Bytes::from_static(b"2"), None);
        let refused = [
            store.set_if(&context, namespace(), a(), write(), if_one(), true).await.map(drop),
            store.set_if(&context, namespace(), key("new"), write(), Condition::Absent, true).await.map(drop),
            store.get_and_set(&context, namespace(), a(), "2".into(), None).await.map(drop),
            increment(&store, "a", 0).await.map(drop),
            increment(&store, "new", 5).await.map(drop),
            store.increment(&context, namespace(), a(), 1, 0, None).await.map(drop),
            push_many(&store, "l", 1).await.map(drop),
            store.set_at(&context, namespace(), l(), 0, "long value".into()).await.map(drop),
        ];
        for (place, refused) in refused.into_iter().enumerate() {
            assert_eq!(refused.unwrap_err().reason, ErrorReason::MemoryLimit, "{place}");
        }
        assert_eq!(get(&store, "a").await.unwrap().as_deref(), Some("1"));
        assert_eq!(get(&store, "new").await.unwrap(), None);
        let values: Vec<String> = server.ask(&["LRANGE", "li:default:l", "0", "-1"]).unwrap();
        assert_eq!(values.concat(), "abcde", "nothing was pushed, and nothing trimmed");

        let popped = store.pop_many(&context, namespace(), l(), End::Left, 2).await.unwrap();
        assert_eq!(popped.concat(), b"ab");
        assert_eq!(store.remove(&context, namespace(), l(), "e".into(), 0).await, Ok(1));
        assert_eq!(store.trim(&context, namespace(), l(), 0, 0).await, Ok(1));
        assert_eq!(store.clear(&context, namespace(), l()).await, Ok(1));
        assert_eq!(store.expire(&context, namespace(), a(), minute().unwrap()).await, Ok(true));
        assert_eq!(store.persist(&context, namespace(), a()).await, Ok(Some(true)));
        assert!(store.delete_if(&context, namespace(), a(), if_one(), false).await.unwrap().applied);
    }
}

#[tokio::test]
async fn what_a_server_does_by_itself_needs_no_script() {
    let server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url() }));
    let context = patient();
    let a = || key("a");
    let write = || (Bytes::from_static(b"5"), minute());
    assert!(
        store.set_if(&context, namespace(), a(), write(), Condition::Absent, false).await.unwrap().applied
    );
    assert!(
        !store.set_if(&context, namespace(), a(), write(), Condition::Absent, false).await.unwrap().applied
    );
    assert!(
        store.set_if(&context, namespace(), a(), write(), Condition::Present, false).await.unwrap().applied
    );
    assert_eq!(store.increment(&context, namespace(), a(), 2, 0, None).await, Ok(7));
    assert!(
        store.ttl_left(&context, namespace(), a()).await.unwrap().unwrap().is_some(),
        "it keeps its time"
    );
    assert_eq!(store.get_and_set(&context, namespace(), a(), "8".into(), None).await, Ok(Some("7".into())));
    assert_eq!(store.ttl_left(&context, namespace(), a()).await, Ok(Some(None)));
    assert_eq!(store.get_and_delete(&context, namespace(), a()).await, Ok(Some("8".into())));
    assert_eq!((server.calls("evalsha"), server.calls("eval")), (0, 0));
    assert_eq!((server.calls("set"), server.calls("incrby"), server.calls("getdel")), (4, 1, 1));
}

#[tokio::test]
async fn a_step_whose_answer_is_lost_is_not_sent_again() {
    let server = Server::start(Kind::Redis, &[]);
    let relay = Relay::start(server.port).await;
    let store = store(json!({ "url": relay.url(), "connections": 1 }));
    set(&store, "a", "1").await.unwrap();
    let context = patient();
    let write = || (Bytes::from_static(b"2"), None);
    let other = || Condition::Differs("x".into());
    // Once, so that the server knows the scripts.
    for name in ["first", "a"] {
        server.tell(&["SET", &format!("kv:default:{name}"), "1"]);
        server.tell(&["RPUSH", &format!("li:default:{name}"), "a", "b", "c", "d"]);
        let (k, is_cut) = (|| key(name), name == "a");
        let cut = async || {
            // On a connection that is known to be there.
            until("calls succeed again", async || get(&store, "other").await.ok()).await;
            server.tell(&["CONFIG", "RESETSTAT"]);
            if is_cut {
                relay.cut_at_next_answer();
            }
        };
        let check = |verb: &str, outcome: Result<(), prism_plugin::Error>, command: &str| {
            if is_cut {
                let lost = outcome.unwrap_err();
                assert_eq!(
                    (lost.reason, lost.fact("applied")),
                    (ErrorReason::BackendLost, Some("maybe")),
                    "{verb}"
                );
                assert_eq!(server.calls(command), 1, "{verb} is sent once");
            } else {
                outcome.unwrap();
            }
        };
        cut().await;
        let outcome = store.set_if(&context, namespace(), k(), write(), other(), true).await;
        check("SetIf", outcome.map(drop), "evalsha");
        cut().await;
        check("Increment", increment(&store, name, 9).await.map(drop), "evalsha");
        cut().await;
        check("Increment", store.increment(&context, namespace(), k(), 1, 0, None).await.map(drop), "incrby");
        let now: String = server.ask(&["GET", &format!("kv:default:{name}")]).unwrap();
        assert_eq!(now, "4", "each was applied once");
        cut().await;
        let outcome = store.get_and_set(&context, namespace(), k(), "v".into(), None).await;
        check("GetAndSet", outcome.map(drop), "set");
        cut().await;
        let outcome = store.delete_if(&context, namespace(), k(), other(), false).await;
        check("DeleteIf", outcome.map(drop), "evalsha");
        cut().await;
        check("PushMany", push_many(&store, name, 6).await.map(drop), "evalsha");
        cut().await;
        let outcome = store.pop_many(&context, namespace(), k(), End::Left, 2).await;
        check("PopMany", outcome.map(drop), "evalsha");
        cut().await;
        check("Remove", store.remove(&context, namespace(), k(), "x".into(), 1).await.map(drop), "lrem");
        let left: Vec<String> = server.ask(&["LRANGE", &format!("li:default:{name}"), "0", "-1"]).unwrap();
        assert_eq!(left.concat(), "dyz", "each was applied once");
        cut().await;
        let items = ["i", "j", "k"].map(|item| (key(item), Bytes::from_static(b"v"), None)).to_vec();
        for result in store.set_each(&context, namespace(), items).await {
            check("BatchSet", result, "config|resetstat");
        }
        assert_eq!(server.calls("set"), 3, "each is sent once");
    }
    assert_eq!(get(&store, "a").await.unwrap(), None);
}
