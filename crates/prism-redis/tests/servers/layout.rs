//! What the Redis keys look like, and data that other applications wrote.

use bytes::Bytes;
use prism_plugin::keyvalue::{Range, Start};
use prism_plugin::list::{End, List as _};
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
