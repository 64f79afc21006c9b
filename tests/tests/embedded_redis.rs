//! A namespace on a Redis, through the driver in the proxy's own process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use prism_client::ErrorKind;
use prism_e2e::client;
use prism_e2e::dev::Ran;
use prism_e2e::process::Proxy;
use prism_e2e::redis::Redis;
use prism_proto::ErrorReason;
use serde_json::Value;

/// A file with the namespaces `default`, on Redis, and `other`, in memory.
fn file(options: &str) -> String {
    format!(
        "backends:\n  - {{ name: cache, embedded: redis, options: {{ {options} }} }}\nnamespaces:\n  \
         - {{ name: default, pattern: keyvalue, plugin: {{ backend: cache }} }}\n  \
         - {{ name: other, pattern: keyvalue, plugin: {{ endpoint: 'embedded:memstore' }} }}\n"
    )
}

fn url(redis: &Redis) -> String {
    format!("url: '{}'", redis.url())
}

async fn cache(proxy: &Proxy) -> Value {
    let status = proxy.status("").await;
    let backends = status["backends"].as_array().unwrap();
    backends.iter().find(|backend| backend["name"] == "cache").unwrap().clone()
}

#[tokio::test]
async fn it_conforms_through_the_proxy() {
    let redis = Redis::start();
    let proxy = Proxy::with_config(&file(&url(&redis)));
    let run = Ran::prism(["conformance", proxy.grpc()]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.text().contains(" is conformant: "), "{run:?}");
    let cache = cache(&proxy).await;
    assert_eq!((&cache["state"], &cache["endpoint"]), (&"ready".into(), &"embedded:redis".into()));
    assert_eq!(cache["would_lose"], Value::Null, "the data is in Redis");
}

#[tokio::test]
async fn a_redis_that_is_down_fails_its_own_namespace_and_heals() {
    let mut redis = Redis::start();
    let proxy = Proxy::with_config(&file(&url(&redis)));
    let client = client(proxy.grpc());
    let (keys, others) = (client.keyvalue(), client.namespace("other").keyvalue());
    keys.set("k", "v").await.unwrap();
    redis.kill();
    let error = loop {
        if let Err(error) = keys.get("k").await {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let reasons = [ErrorReason::BackendLost, ErrorReason::BackendUnreachable];
    assert!(error.reason().is_some_and(|reason| reasons.contains(&reason)), "{error:?}");
    others.set("k", "v").await.unwrap();
    let down = loop {
        let cache = cache(&proxy).await;
        if cache["state"] == "unreachable" {
            break cache;
        }
    };
    assert!(down["error"].as_str().unwrap().contains("127.0.0.1"), "{down}");
    let unreachable = "prism_proxy_backend_state{backend=\"cache\",state=\"unreachable\"}";
    assert_eq!(proxy.process.metric(unreachable).await, 1.0);
    redis.restart();
    while keys.set("k", "w").await.is_err() {}
    assert_eq!(keys.get("k").await.unwrap(), "w");
    while cache(&proxy).await["state"] != "ready" {}
}

#[tokio::test]
async fn another_address_is_taken_by_a_reload() {
    let (one, two) = (Redis::start(), Redis::start());
    let proxy = Proxy::with_config(&file(&url(&one)));
    let client = client(proxy.grpc());
    client.keyvalue().set("k", "one").await.unwrap();
    proxy.take(file(&url(&two))).await;
    assert!(!client.keyvalue().exists("k").await.unwrap());
    proxy.take(file(&url(&one))).await;
    assert_eq!(client.keyvalue().get("k").await.unwrap(), "one");
}

#[tokio::test]
async fn raw_data_is_for_one_namespace() {
    let redis = Redis::start();
    let proxy = Proxy::with_config(&file(&url(&redis)));
    let raw = format!("{}, layout: raw", url(&redis));
    let status = proxy.take(file(&raw)).await;
    assert_eq!(status["last_attempt"]["outcome"], "applied", "{status}");
    let shared = file(&raw).replace("endpoint: 'embedded:memstore'", "backend: cache");
    let status = proxy.take(shared).await;
    let mistake = &status["last_attempt"]["mistakes"][0];
    assert_eq!(mistake["field"], "namespaces[1].plugin.backend", "{status}");
    assert!(mistake["why"].as_str().unwrap().contains("serves namespaces[0] already"), "{mistake}");
}

#[tokio::test]
async fn a_password_in_the_file_is_refused_and_not_repeated() {
    let proxy = Proxy::with_config(&file("url: 'redis://127.0.0.1:1'"));
    let status = proxy.take(file("url: 'redis://user:hunter2@127.0.0.1:1'")).await;
    let mistake = &status["last_attempt"]["mistakes"][0];
    assert_eq!(mistake["field"], "backends[0].options.url", "{status}");
    assert!(mistake["why"].as_str().unwrap().contains("password_file"), "{mistake}");
    assert!(!status.to_string().contains("hunter2"), "{status}");
}
