use serde_json::json;

use super::*;

fn read(options: &Value) -> Result<Settings, Vec<Mistake>> {
    Options::read(options.as_object().unwrap())
}

fn fields(options: &Value) -> Vec<String> {
    let mut fields: Vec<_> = read(options).unwrap_err().into_iter().map(|mistake| mistake.field).collect();
    fields.sort();
    fields
}

#[test]
fn all_options_are_read() {
    let settings = read(&json!({
        "urls": ["rediss://a:7000", "rediss://b:7000"], "cluster": true, "username": "app",
        "password_file": "/run/secrets/redis", "ca_file": "/etc/ca.pem", "key_prefix": "shop:",
        "layout": "raw", "durability": { "replicas": 2, "timeout": "500ms" }, "connections": 3,
        "max_waiters": 7,
    }))
    .unwrap();
    assert_eq!(settings.servers(), "a:7000, b:7000");
    assert_eq!(settings.mode, Mode::Cluster);
    assert_eq!(settings.durability, Some(Durability { replicas: 2, timeout: Duration::from_millis(500) }));
    assert_eq!((settings.layout, settings.connections, settings.tls.is_some()), (Layout::Raw, 3, true));
    assert_eq!(settings.max_waiters, 7);
    let least = read(&json!({ "url": "redis://a" })).unwrap();
    assert_eq!((least.mode, least.layout, least.durability), (Mode::Standalone, Layout::Prism, None));
}

#[test]
fn every_mistake_is_reported_at_once() {
    let wrong = json!({
        "url": "redis://:hunter2@a", "cluster": "yes", "layout": "flat", "connections": 0, "colour": "red",
        "max_waiters": 0,
        "durability": { "replicas": 0, "timeout": "fast", "quorum": 1 }, "username": "app",
    });
    assert_eq!(
        fields(&wrong),
        [
            "cluster",
            "colour",
            "connections",
            "durability.quorum",
            "durability.replicas",
            "durability.timeout",
            "layout",
            "max_waiters",
            "password_file",
            "url"
        ]
    );
    let told = format!("{:?}", read(&wrong).unwrap_err());
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    assert_eq!(fields(&json!({})), ["url"]);
    assert_eq!(fields(&json!({ "urls": ["redis://a", "redis://b"] })), ["urls"]);
    assert_eq!(fields(&json!({ "urls": ["redis://a", "rediss://b"], "cluster": true })), ["urls"]);
    assert_eq!(fields(&json!({ "url": "redis://a", "cluster": true, "sentinel": "main" })), ["sentinel"]);
    assert_eq!(fields(&json!({ "url": "redis://a", "sentinel": "" })), ["sentinel"]);
    assert_eq!(fields(&json!({ "url": "redis://a/1", "cluster": true })), ["url"]);
    assert_eq!(fields(&json!({ "url": "unix:/a", "sentinel": "main" })), ["url"]);
    assert_eq!(fields(&json!({ "url": "redis://a", "ca_file": "/a" })), ["ca_file"]);
    assert_eq!(fields(&json!({ "url": "redis://a", "key_prefix": "{a}" })), ["key_prefix"]);
    assert_eq!(fields(&json!({ "url": "redis://a", "durability": {} })), ["durability.replicas"]);
}
