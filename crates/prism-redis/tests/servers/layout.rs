//! What the Redis keys look like, and data that other applications wrote.

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use prism_plugin::keyvalue::{
    Condition, KeyValueCas as _, KeyValueCounter as _, KeyValueTtl as _, Range, Start,
};
use prism_plugin::list::{
    End, List as _, ListBatch as _, ListBlocking as _, ListIndexing as _, ListRange as _, ListScan as _,
};
use prism_plugin::types::Ttl;
use prism_plugin::{Context, ErrorReason, KeyValue as _};
use serde_json::json;

use crate::support::server::{Kind, Server};
use crate::support::store::{get, items, key, length, namespace, patient, push, range, set, set_for, store};

fn everything() -> Range {
    range("", Start::Beginning, None)
}

#[tokio::test]
async fn keys_have_their_documented_names() {
    let server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": format!("{}/3", server.url()), "key_prefix": "shop:" }));
    set_for(&store, "a", 1000).await.unwrap();
    push(&store, "a", "v").await.unwrap();
    let mut connection =
        redis::Client::open(format!("{}/3", server.url())).unwrap().get_connection().unwrap();
    let mut names: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
    names.sort();
    assert_eq!(names, ["shop:kv:default:a", "shop:li:default:a"]);
    let left: u64 = redis::cmd("PTTL").arg("shop:kv:default:a").query(&mut connection).unwrap();
    assert!((990_000..=1_000_000).contains(&left), "{left}");
    set(&store, "a", "w").await.unwrap();
    let left: i64 = redis::cmd("PTTL").arg("shop:kv:default:a").query(&mut connection).unwrap();
    assert_eq!(left, -1, "a new value has its own time to live: none");
}

#[tokio::test]
async fn existing_data_is_served_as_it_is() {
    let server = Server::start(Kind::Valkey, &[]);
    for words in [
        &["SET", "app:one", "1"][..],
        &["SET", "app:two", "2"],
        &["SET", "app:prism:idem", "x"],
        &["SET", "other:three", "3"],
        &["RPUSH", "app:queue", "a", "b"],
        &["HSET", "app:hash", "f", "v"],
    ] {
        server.tell(words);
    }
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let torn: () = redis::cmd("SET").arg(b"app:\xff\xfe").arg("x").query(&mut connection).unwrap();
    let () = torn;

    let store = store(json!({ "url": server.url(), "key_prefix": "app:", "layout": "raw" }));
    assert_eq!(get(&store, "one").await.unwrap().as_deref(), Some("1"));
    assert_eq!(length(&store, "queue").await.unwrap(), 2);
    let popped = store.pop(&patient(), namespace(), key("queue"), End::Left).await.unwrap();
    assert_eq!(popped, Some(Bytes::from_static(b"a")));

    let mut keys: Vec<_> = items(store.scan_keys(&Context::default(), everything())).await.unwrap();
    keys.sort();
    let keys: Vec<_> = keys.iter().map(|key| key.to_string()).collect();
    assert_eq!(keys, ["one", "two"], "no other types, no other prefix, nothing of Prism's own");
    let values: Vec<_> = items(store.scan(&Context::default(), everything())).await.unwrap();
    assert_eq!(values.len(), 2);
    assert_eq!(store.count(&Context::default(), namespace(), "o".to_owned()).await.unwrap(), 1);

    let mut metrics = String::new();
    prometheus_client::encoding::text::encode(&mut metrics, &prism_redis::app::registry(&store)).unwrap();
    // By the two scans; the count's prefix leaves it out.
    assert!(metrics.contains("prism_redis_unnameable_keys_total 2"), "{metrics}");

    let wrong = get(&store, "hash").await.unwrap_err();
    assert_eq!(wrong.reason, ErrorReason::WrongType);
    assert!(!wrong.message.contains("hash"), "an error repeats no key: {wrong}");
    assert_eq!(push(&store, "one", "v").await.unwrap_err().reason, ErrorReason::WrongType);
}

#[tokio::test]
async fn existing_data_is_served_by_every_interface() {
    let server = Server::start(Kind::Redis, &[]);
    for words in [
        &["SET", "text", "a"][..],
        &["SET", "short", "b", "PX", "60000"],
        &["SET", "count", "41"],
        &["RPUSH", "queue", "a", "b", "c", "b"],
    ] {
        server.tell(words);
    }
    let store = store(json!({ "url": server.url(), "layout": "raw" }));
    let context = patient();
    assert_eq!(store.ttl_left(&context, namespace(), key("text")).await, Ok(Some(None)));
    let (value, left) = store.get_with_ttl(&context, namespace(), key("short")).await.unwrap().unwrap();
    assert!(value == "b" && left.is_some_and(|left| left.as_secs() > 30), "{left:?}");
    assert_eq!(store.persist(&context, namespace(), key("short")).await, Ok(Some(true)));
    assert_eq!(store.persist(&context, namespace(), key("missing")).await, Ok(None));
    assert_eq!(store.expire(&context, namespace(), key("text"), minute()).await, Ok(true));
    assert_eq!(store.increment(&context, namespace(), key("count"), 1, 7, None).await, Ok(42));
    assert_eq!(server.ask::<u64>(&["INCR", "count"]).unwrap(), 43, "Redis agrees");
    let write = (Bytes::from_static(b"c"), None);
    let condition = Condition::Equals("a".into());
    let ended = store.set_if(&context, namespace(), key("text"), write, condition, true).await.unwrap();
    assert!(ended.applied && ended.current == Some("a".into()));
    assert_eq!(
        server.ask::<i64>(&["PTTL", "text"]).unwrap(),
        -1,
        "a new value has its own time to live: none"
    );

    let pages = store.range(&context, namespace(), key("queue"), 1, -1);
    let values: Vec<_> = pages.try_collect::<Vec<_>>().await.unwrap().concat();
    assert_eq!(values, ["b", "c", "b"]);
    assert_eq!(store.remove(&context, namespace(), key("queue"), "b".into(), -1).await, Ok(1));
    assert_eq!(store.get_at(&context, namespace(), key("queue"), -1).await, Ok(Some("c".into())));
    let wait = std::time::Duration::from_secs(1);
    let popped = store.blocking_pop(&context, namespace(), key("queue"), End::Right, wait).await;
    assert_eq!(popped, Ok(Some("c".into())));
    let lists = items(store.scan_lists(&context, everything())).await.unwrap();
    assert_eq!(lists, [(key("queue"), 2)]);
    assert_eq!(store.count_lists(&context, namespace(), String::new()).await, Ok(1));
}

fn minute() -> Ttl {
    Ttl::from_secs(60).unwrap()
}

#[tokio::test]
async fn a_key_of_another_type_is_refused_by_every_call_and_untouched() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let server = Server::start(kind, &[]);
        server.tell(&["RPUSH", "list", "a", "b"]);
        server.tell(&["SET", "text", "1"]);
        let store = store(json!({ "url": server.url(), "layout": "raw" }));
        let (context, l, t) = (patient(), || key("list"), || key("text"));
        let write = || (Bytes::from_static(b"v"), None);
        let all = [
            set(&store, "list", "v").await,
            set_for(&store, "list", 60).await,
            get(&store, "list").await.map(drop),
            store.get_with_ttl(&context, namespace(), l()).await.map(drop),
            store.exists(&context, namespace(), l()).await.map(drop),
            store.delete(&context, namespace(), l()).await.map(drop),
            store.ttl_left(&context, namespace(), l()).await.map(drop),
            store.expire(&context, namespace(), l(), minute()).await.map(drop),
            store.persist(&context, namespace(), l()).await.map(drop),
            store.set_if(&context, namespace(), l(), write(), Condition::Absent, false).await.map(drop),
            store.set_if(&context, namespace(), l(), write(), Condition::Present, true).await.map(drop),
            store
                .set_if(&context, namespace(), l(), write(), Condition::Equals("a".into()), false)
                .await
                .map(drop),
            store.delete_if(&context, namespace(), l(), Condition::Present, false).await.map(drop),
            store.delete_if(&context, namespace(), l(), Condition::Equals("a".into()), false).await.map(drop),
            store.get_and_set(&context, namespace(), l(), "v".into(), None).await.map(drop),
            store.get_and_delete(&context, namespace(), l()).await.map(drop),
            store.increment(&context, namespace(), l(), 1, 0, None).await.map(drop),
            store.increment(&context, namespace(), l(), 1, 1, None).await.map(drop),
            push(&store, "text", "v").await.map(drop),
            length(&store, "text").await.map(drop),
            store.range(&context, namespace(), t(), 0, -1).try_collect::<Vec<_>>().await.map(drop),
            store.trim(&context, namespace(), t(), 0, 0).await.map(drop),
            store.clear(&context, namespace(), t()).await.map(drop),
            store.get_at(&context, namespace(), t(), 0).await.map(drop),
            store.set_at(&context, namespace(), t(), 0, "v".into()).await.map(drop),
            store.remove(&context, namespace(), t(), "1".into(), 0).await.map(drop),
            store.push_many(&context, namespace(), t(), End::Left, vec!["v".into()], None).await.map(drop),
            store.push_many(&context, namespace(), t(), End::Left, vec!["v".into()], Some(1)).await.map(drop),
            store.pop_many(&context, namespace(), t(), End::Left, 1).await.map(drop),
            store.pop_many(&context, namespace(), t(), End::Left, 2).await.map(drop),
        ];
        for (place, outcome) in all.into_iter().enumerate() {
            assert_eq!(outcome.unwrap_err().reason, ErrorReason::WrongType, "{kind:?}, call {place}");
        }
        assert_eq!(server.ask::<Vec<String>>(&["LRANGE", "list", "0", "-1"]).unwrap(), ["a", "b"]);
        assert_eq!(server.ask::<i64>(&["PTTL", "list"]).unwrap(), -1);
        assert_eq!(server.ask::<String>(&["GET", "text"]).unwrap(), "1");
    }
}
