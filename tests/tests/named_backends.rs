//! Backends with a name: opened, changed and removed while the proxy serves.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use prism_client::Client;
use prism_e2e::client;
use prism_e2e::process::{Process, Proxy};
use prism_proto::ErrorReason;
use serde_json::{Value, json};

/// A file with these backends, and a namespace for each that has its name.
fn file(backends: &[(&str, &str)]) -> String {
    let mut text = "backends:\n".to_owned();
    for (name, place) in backends {
        text += &format!("  - {{ name: {name}, {place} }}\n");
    }
    text += "namespaces:\n";
    for (name, _) in backends {
        text += &format!("  - {{ name: {name}, pattern: keyvalue, plugin: {{ backend: {name} }} }}\n");
    }
    text
}

async fn set(client: &Client, namespace: &'static str, bytes: usize) -> Result<(), Option<ErrorReason>> {
    let set = client.namespace(namespace).keyvalue().set("k", vec![b'x'; bytes]).await;
    set.map_err(|error| error.reason())
}

async fn has(client: &Client, namespace: &'static str) -> bool {
    client.namespace(namespace).keyvalue().exists("k").await.unwrap()
}

fn backend<'a>(status: &'a Value, name: &str) -> &'a Value {
    let backends = status["backends"].as_array().unwrap();
    backends.iter().find(|backend| backend["name"] == name).unwrap_or(&Value::Null)
}

#[tokio::test]
async fn each_store_has_its_own_data_and_limit() {
    let small = "embedded: memstore, options: { memory_limit: 1MiB }";
    let proxy = Proxy::with_config(&file(&[("small", small), ("large", "embedded: memstore")]));
    let client = client(proxy.grpc());
    assert_eq!(set(&client, "small", 2 << 20).await, Err(Some(ErrorReason::MemoryLimit)));
    set(&client, "large", 2 << 20).await.unwrap();
    assert!(!has(&client, "small").await);

    let status = proxy.status("").await;
    let large = backend(&status, "large");
    assert_eq!(large["endpoint"], "embedded:memstore");
    assert_eq!((&large["state"], &large["namespaces"]), (&json!("ready"), &json!(1)));
    assert_eq!(large["would_lose"], json!({ "keys": 1, "lists": 0 }));
    assert_eq!(backend(&status, "small")["would_lose"], json!({ "keys": 0, "lists": 0 }));
}

#[tokio::test]
async fn a_changed_limit_is_taken_and_the_data_stays() {
    let limited = |limit: &str| {
        let place = format!("embedded: memstore, options: {{ memory_limit: {limit} }}");
        file(&[("a", &place)])
    };
    let proxy = Proxy::with_config(&limited("1MiB"));
    let client = client(proxy.grpc());
    set(&client, "a", 100).await.unwrap();
    assert_eq!(set(&client, "a", 2 << 20).await, Err(Some(ErrorReason::MemoryLimit)));
    let status = proxy.take(limited("4MiB")).await;
    assert_eq!(status["last_attempt"]["outcome"], "applied");
    assert!(has(&client, "a").await);
    set(&client, "a", 2 << 20).await.unwrap();

    // Below what it holds: nothing is lost, and what needs more is refused.
    proxy.take(limited("1MiB")).await;
    assert!(has(&client, "a").await);
    assert_eq!(set(&client, "a", 3 << 20).await, Err(Some(ErrorReason::MemoryLimit)));
}

#[tokio::test]
async fn a_wrong_option_is_named_and_nothing_changes() {
    let proxy = Proxy::with_config(&file(&[("a", "embedded: memstore")]));
    let client = client(proxy.grpc());
    set(&client, "a", 100).await.unwrap();
    for (place, field, says) in [
        ("embedded: memstore, options: { memory_limit: 1MB }", "backends[1].options.memory_limit", "KiB"),
        ("embedded: memstore, options: { colour: red }", "backends[1].options.colour", "`memory_limit`"),
        ("embedded: nothing", "backends[1].embedded", "expected diskstore, memstore"),
    ] {
        // The first backend's change is good, and must not be taken, either.
        let status = proxy
            .take(file(&[("a", "embedded: memstore, options: { memory_limit: 1 }"), ("b", place)]))
            .await;
        assert_eq!(status["last_attempt"]["outcome"], "refused", "{place}");
        let mistakes = status["last_attempt"]["mistakes"].as_array().unwrap();
        assert_eq!(mistakes[0]["field"], field, "{mistakes:?}");
        assert!(mistakes[0]["why"].as_str().unwrap().contains(says), "{mistakes:?}");
        set(&client, "a", 200).await.unwrap();
    }
}

#[tokio::test]
async fn a_store_that_leaves_the_file_is_gone_and_one_without_a_name_stays() {
    let unnamed = "namespaces: [{ name: u, pattern: keyvalue, plugin: { endpoint: 'embedded:memstore' } }]\n";
    let named = file(&[("a", "embedded: memstore")]);
    let proxy = Proxy::with_config(&named);
    let client = client(proxy.grpc());
    set(&client, "a", 100).await.unwrap();
    proxy.take(unnamed).await;
    assert!(!has(&client, "u").await);
    set(&client, "u", 100).await.unwrap();
    let status = proxy.take(&named).await;
    assert!(!has(&client, "a").await, "it was opened anew");
    let kept: Vec<_> =
        status["backends"].as_array().unwrap().iter().filter(|backend| backend["name"].is_null()).collect();
    assert_eq!(kept[0]["would_lose"]["keys"], 1, "{kept:?}");
    proxy.take(unnamed).await;
    assert!(has(&client, "u").await);
}

#[tokio::test]
async fn a_plugin_behind_a_name_is_followed_to_another_address() {
    let stores = [(); 2].map(|()| Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]));
    let at = |store: &Process| file(&[("a", &format!("endpoint: '{}'", store.grpc()))]);
    let proxy = Proxy::with_config(&at(&stores[0]));
    let client = client(proxy.grpc());
    set(&client, "a", 100).await.unwrap();
    let status = proxy.status("").await;
    assert_eq!(backend(&status, "a")["endpoint"], stores[0].grpc());
    proxy.take(at(&stores[1])).await;
    assert!(!has(&client, "a").await);
    proxy.take(at(&stores[0])).await;
    assert!(has(&client, "a").await);
}
