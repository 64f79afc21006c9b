//! Each verb does what it says, against a well-behaved server.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, unreachable_pub, reason = "test support, of which each test uses a part")]
mod fake;

use std::sync::atomic::Ordering;
use std::time::Duration;

use fake::Fake;
use prism_client::{Client, ErrorKind, ErrorReason};
use prism_proto::limits::MESSAGE_BYTES_MAX;

async fn start() -> (Fake, Client) {
    let fake = Fake::start().await;
    let client = Client::new(&fake.address()).unwrap();
    (fake, client)
}

#[tokio::test]
async fn a_value_is_set_read_counted_and_deleted() {
    let (_fake, client) = start().await;
    let kv = client.keyvalue();
    kv.set("a", "1").await.unwrap();
    assert_eq!(kv.get("a").await.unwrap(), "1");
    assert!(kv.exists("a").await.unwrap());
    assert_eq!(kv.count("").await.unwrap(), 1);
    assert!(kv.delete("a").await.unwrap());
    assert!(!kv.delete("a").await.unwrap());
    assert!(!kv.exists("a").await.unwrap());

    let error = kv.get("a").await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::NotFound, Some(ErrorReason::KeyNotFound)));
    assert_eq!(error.operation(), "keyvalue.get");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_list_is_pushed_and_popped_at_both_ends() {
    let (_fake, client) = start().await;
    let list = client.list();
    assert_eq!(list.push_right("l", "b").await.unwrap(), 1);
    assert_eq!(list.push_left("l", "a").await.unwrap(), 2);
    assert_eq!(list.push_right("l", "").await.unwrap(), 3);
    assert_eq!(list.length("l").await.unwrap(), 3);
    assert_eq!(list.pop_left("l").await.unwrap().unwrap(), "a");
    assert_eq!(list.pop_right("l").await.unwrap().unwrap(), "");
    assert_eq!(list.pop_right("l").await.unwrap().unwrap(), "b");
    assert_eq!(list.pop_left("l").await.unwrap(), None);
    assert_eq!(list.length("l").await.unwrap(), 0);
}

#[tokio::test]
async fn namespaces_are_apart() {
    let (_fake, client) = start().await;
    client.namespace("a").keyvalue().set("k", "of a").await.unwrap();
    client.keyvalue().set("k", "of default").await.unwrap();
    assert_eq!(client.namespace("a").keyvalue().get("k").await.unwrap(), "of a");
    assert_eq!(client.namespace("default").keyvalue().get("k").await.unwrap(), "of default");
}

#[tokio::test]
async fn a_scan_keeps_its_options() {
    let (_fake, client) = start().await;
    let kv = client.keyvalue();
    for key in ["u:1", "u:2", "u:3", "v:1"] {
        kv.set(key, key).await.unwrap();
    }
    let mut keys = Vec::new();
    let mut scan = kv.scan("u:").start_after("u:1").limit(1);
    while let Some(entry) = scan.next().await {
        let entry = entry.unwrap();
        assert_eq!(entry.value, entry.key);
        keys.push(entry.key);
    }
    assert_eq!(keys, ["u:2"]);
    assert!(scan.next().await.is_none(), "an ended scan stays ended");

    let mut keys = kv.scan_keys("u:");
    assert_eq!(keys.next().await.unwrap().unwrap(), "u:1");
}

#[tokio::test]
async fn the_time_limit_the_token_and_the_metadata_are_sent() {
    let fake = Fake::start().await;
    let client =
        Client::builder(&fake.address()).token("s3cret").metadata("x-team", "orders").build().unwrap();
    client.keyvalue().exists("k").timeout(Duration::from_secs(90)).await.unwrap();

    let metadata = fake.state.metadata.lock().unwrap().clone();
    assert_eq!(metadata.get("authorization").unwrap(), "Bearer s3cret");
    assert_eq!(metadata.get("x-team").unwrap(), "orders");
    let timeout = metadata.get("grpc-timeout").unwrap().to_str().unwrap().to_owned();
    let micros: u64 = timeout.strip_suffix('u').unwrap().parse().unwrap();
    assert!((60_000_000..=90_000_000).contains(&micros), "{timeout}");
}

#[tokio::test]
async fn a_message_that_no_peer_accepts_is_refused_here() {
    let (fake, client) = start().await;
    let error = client.keyvalue().set("k", vec![0; MESSAGE_BYTES_MAX]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(error.reason(), Some(ErrorReason::MessageTooLarge));
    assert_eq!(error.limit(), Some(MESSAGE_BYTES_MAX as u64));
    assert!(error.size() > error.limit());
    assert!(fake.calls().is_empty());

    let largest = prism_proto::limits::VALUE_BYTES_MAX;
    client.keyvalue().set("k", vec![0; largest]).await.unwrap();
    assert_eq!(client.keyvalue().get("k").await.unwrap().len(), largest);
}

#[tokio::test]
async fn a_client_connects_when_it_is_first_used_and_over_few_connections() {
    let (fake, client) = start().await;
    assert_eq!(fake.state.connections.load(Ordering::SeqCst), 0);
    let kv = client.keyvalue();
    kv.set("k", "v").await.unwrap();
    assert_eq!(fake.state.connections.load(Ordering::SeqCst), 1);

    let gets = (0..200).map(|_| kv.get("k").send());
    for result in futures_util::future::join_all(gets).await {
        assert_eq!(result.unwrap(), "v");
    }
    assert!(fake.state.connections.load(Ordering::SeqCst) <= 2);
    kv.scan("").next().await.unwrap().unwrap();
    assert!(fake.state.connections.load(Ordering::SeqCst) <= 3, "scans have a connection of their own");
}

#[tokio::test]
async fn a_closed_client_says_so_to_every_clone() {
    let (_fake, client) = start().await;
    let kv = client.keyvalue();
    kv.set("k", "v").await.unwrap();
    client.clone().close();
    assert_eq!(kv.get("k").await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(kv.scan("").next().await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_client_outlives_the_runtime_that_opened_its_connection() {
    let (_fake, client) = start().await;
    let elsewhere = client.clone();
    tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(elsewhere.keyvalue().set("k", "v").send()).unwrap();
    })
    .await
    .unwrap();
    assert_eq!(client.keyvalue().get("k").await.unwrap(), "v");
}

#[tokio::test]
async fn a_unix_socket_works_like_any_address() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prism.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let (fake, _) = start().await;
    let behind = fake.address();
    tokio::spawn(async move {
        let (mut front, _) = listener.accept().await.unwrap();
        let mut back = tokio::net::TcpStream::connect(behind).await.unwrap();
        tokio::io::copy_bidirectional(&mut front, &mut back).await.ok();
    });
    let client = Client::new(&format!("unix:{}", path.display())).unwrap();
    client.keyvalue().set("k", "v").await.unwrap();
    assert_eq!(client.keyvalue().get("k").await.unwrap(), "v");
}

#[tokio::test]
async fn every_address_of_localhost_is_tried() {
    let (fake, _) = start().await;
    let port = fake.address().rsplit(':').next().unwrap().to_owned();
    let client = Client::new(&format!("localhost:{port}")).unwrap();
    client.keyvalue().set("k", "v").await.unwrap();
}
