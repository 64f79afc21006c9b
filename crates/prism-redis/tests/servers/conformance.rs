//! The contract, on every kind of server and every way in which servers work together.

use serde_json::{Value, json};

use crate::support::cluster::Cluster;
use crate::support::plugin::Plugin;
use crate::support::sentinel::{NAME, Watched};
use crate::support::server::{Kind, Server};

async fn conforms(options: Value) {
    let plugin = Plugin::start(options).await;
    let report = plugin.conformance().await;
    plugin.stop().await;
    assert!(report.is_conformant(), "{report}");
    assert_eq!(report.warned().count(), 0, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_conforms() {
    let server = Server::start(Kind::Redis, &[]);
    conforms(json!({ "url": server.url() })).await;
    let left: Vec<String> = server.ask(&["KEYS", "*"]).unwrap();
    // Which slots have had leases, and what expires.
    let is_kept = |name: &&String| {
        ["slots", "looks", "shortest"].iter().any(|index| name.ends_with(&format!("}}:{index}")))
            || ["answers", "open", "note"].iter().any(|kind| name.contains(&format!("}}:{kind}:")))
    };
    assert!(left.iter().all(|name| is_kept(&name)), "the suite removes what it wrote: {left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn valkey_conforms() {
    let server = Server::start(Kind::Valkey, &[]);
    conforms(json!({ "url": server.url(), "key_prefix": "shop:*[a]:", "connections": 3 })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unix_socket_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("redis.sock");
    let _server = Server::start(Kind::Redis, &["--unixsocket", socket.to_str().unwrap()]);
    conforms(json!({ "url": format!("unix:{}", socket.display()), "connections": 1 })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_behind_sentinel_conforms() {
    let watched = Watched::start(Kind::Redis).await;
    conforms(json!({ "urls": watched.urls(), "sentinel": NAME })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_redis_conforms() {
    let cluster = Cluster::start(Kind::Redis).await;
    conforms(json!({ "urls": cluster.urls(), "cluster": true })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_valkey_conforms() {
    let cluster = Cluster::start(Kind::Valkey).await;
    conforms(json!({ "urls": cluster.urls(), "cluster": true })).await;
}

/// The documented user may do what the driver needs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_user_conforms() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/BACKENDS.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let line = docs.lines().find(|line| line.starts_with("ACL SETUSER prism on ")).unwrap();
    let line = line.replace("PASSWORD", "secret");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "secret").unwrap();
    let words: Vec<_> = line.split(' ').collect();
    let server = Server::start(Kind::Redis, &[]);
    server.tell(&words);
    conforms(json!({ "url": server.url(), "username": "prism", "password_file": file })).await;
    let cluster = Cluster::start(Kind::Valkey).await;
    cluster.nodes.iter().for_each(|node| _ = node.tell(&words));
    let (urls, user) = (cluster.urls(), "prism");
    conforms(json!({ "urls": urls, "cluster": true, "username": user, "password_file": file })).await;
}
