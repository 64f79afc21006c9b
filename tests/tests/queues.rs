//! Workers and producers through a gateway: nothing is lost, and nothing counts twice.

use std::time::Duration;

use prism_client::{Client, End, ErrorKind, ErrorReason, Lease};
use prism_e2e::process::{Process, Proxy};

/// A gateway in front of a store, and one that embeds it.
fn gateways() -> [(Proxy, Option<Process>); 2] {
    let store = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
    let proxy = Proxy::start(&[("default", store.grpc())]);
    [(proxy, Some(store)), (Proxy::start(&[("default", "embedded:memstore")]), None)]
}

fn shown(lease: &Lease) -> Vec<(&[u8], u32)> {
    lease.values().iter().map(|value| (&value.value[..], value.deliveries)).collect()
}

#[tokio::test]
async fn a_worker_that_dies_loses_nothing() {
    for (gateway, _store) in &gateways() {
        let jobs = Client::new(gateway.grpc()).unwrap().list();
        for job in ["a", "b", "c"] {
            jobs.push_right("jobs", job).await.unwrap();
        }
        let short = Duration::from_millis(300);
        let lost = jobs.reserve("jobs").count(2).lease(short).await.unwrap().unwrap();
        assert_eq!(shown(&lost), [(&b"a"[..], 1), (b"b", 1)]);
        assert_eq!(jobs.length("jobs").await.unwrap(), 1);
        let other = jobs.reserve("jobs").await.unwrap().unwrap();
        assert_eq!(shown(&other), [(&b"c"[..], 1)]);
        other.extend(Duration::from_secs(60)).await.unwrap();

        let wait = Duration::from_secs(20);
        let again = jobs.reserve("jobs").count(5).wait(wait).await.unwrap().unwrap();
        assert_eq!(shown(&again), [(&b"a"[..], 2), (b"b", 2)]);
        let ended = lost.ack().await.unwrap_err();
        assert_eq!((ended.kind(), ended.reason()), (ErrorKind::NotFound, Some(ErrorReason::LeaseEnded)));
        assert_eq!(again.ack().await.unwrap(), 2);
        assert_eq!(other.release().await.unwrap(), 1);
        let last = jobs.reserve("jobs").from_right().max_deliveries(2, "dead").await.unwrap().unwrap();
        assert_eq!(last.release().await.unwrap(), 1);
        assert_eq!((jobs.length("jobs").await.unwrap(), jobs.length("dead").await.unwrap()), (0, 1));
        assert!(jobs.reserve("jobs").await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_token_names_a_lease_of_its_list() {
    for (gateway, _store) in &gateways() {
        let jobs = Client::new(gateway.grpc()).unwrap().list();
        jobs.push_many("jobs", End::Right, ["a", "b"]).await.unwrap();
        let reserved = jobs.reserve("jobs").lease(Duration::from_secs(60)).await.unwrap().unwrap();
        let elsewhere = Client::new(gateway.grpc()).unwrap().list();
        let found = elsewhere.lease("jobs", reserved.token().clone());
        assert_eq!((found.values(), found.token()), (&[][..], reserved.token()));
        found.extend(Duration::from_secs(90)).await.unwrap();
        for (list, token) in
            [("other", reserved.token().clone()), ("jobs", "no token".into()), ("jobs", "".into())]
        {
            let ended = elsewhere.lease(list, token).ack().await.unwrap_err();
            assert_eq!(ended.reason(), Some(ErrorReason::LeaseEnded), "{list}");
        }
        let refused = jobs.reserve("jobs").metadata("A Name", "value").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
        assert_eq!(found.ack().await.unwrap(), 1);
        assert_eq!(reserved.ack().await.unwrap_err().reason(), Some(ErrorReason::LeaseEnded));
    }
}

#[tokio::test]
async fn a_wait_beyond_the_limit_is_refused() {
    // Nothing listens there.
    let jobs = Client::new("127.0.0.1:1").unwrap().list();
    for wait in [Duration::from_secs(301), Duration::MAX] {
        let refused = jobs.reserve("jobs").wait(wait).await.unwrap_err();
        assert_eq!((refused.reason(), refused.field()), (Some(ErrorReason::WaitInvalid), Some("wait")));
    }
}

#[tokio::test]
async fn a_repeated_push_counts_once_and_a_read_has_no_key() {
    const KEY: &str = "idempotency-key";
    let key = |seq: u64| format!("0123456789abcdef0123456789abcdef.{seq}.0");
    for (gateway, _store) in &gateways() {
        let client = Client::new(gateway.grpc()).unwrap();
        let promised = client.namespace("default").capabilities().await.unwrap();
        assert!(promised.idempotent_retries);
        let list = client.list();
        for _ in 0..3 {
            assert_eq!(list.push_left("l", "v").metadata(KEY, &key(1)).await.unwrap(), 1);
        }
        let reused = list.push_left("l", "w").metadata(KEY, &key(1)).await.unwrap_err();
        assert_eq!(reused.reason(), Some(ErrorReason::IdempotencyKeyReused));
        for _ in 0..3 {
            let popped = list.pop_left("l").metadata(KEY, &key(2)).await.unwrap();
            assert_eq!(popped.unwrap(), "v");
        }
        assert_eq!(list.length("l").await.unwrap(), 0);
        let read = list.length("l").metadata(KEY, &key(3)).await.unwrap_err();
        assert_eq!(read.reason(), Some(ErrorReason::IdempotencyKeyInvalid));
    }
}

#[tokio::test]
async fn a_backend_that_keeps_no_answers_refuses_keys() {
    let plugin = Process::start("prism-redis", ["--listen", "127.0.0.1:0", "--redis", "redis://127.0.0.1:1"]);
    let list = Client::new(plugin.grpc()).unwrap().list();
    let key = "0123456789abcdef0123456789abcdef.1.0";
    let refused = list.push_left("l", "v").metadata("idempotency-key", key).await.unwrap_err();
    assert_eq!(refused.reason(), Some(ErrorReason::IdempotencyKeyInvalid));
}
