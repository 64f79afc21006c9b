//! Calls under idempotency keys.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, unreachable_pub, reason = "test support, of which each test uses a part")]
mod fake;

use std::sync::atomic::Ordering::SeqCst;

use fake::{Fake, Fault};
use prism_client::{Client, ErrorKind, ErrorReason};
use prism_proto::{Applied, Error};
use tonic::Status;

fn lost() -> Status {
    Error::unavailable(ErrorReason::BackendLost, Applied::Maybe, "the connection was lost").into()
}

async fn start() -> (Fake, Client) {
    let fake = Fake::start().await;
    fake.state.keeps_answers.store(true, SeqCst);
    let client = Client::new(&fake.address()).unwrap();
    (fake, client)
}

/// The numbers of the keys that were sent: sequence number and what was acknowledged.
fn numbers(fake: &Fake) -> Vec<(u64, u64)> {
    let keys = fake.state.keys.lock().unwrap();
    let number = |text: &str| text.parse::<u64>().unwrap();
    keys.iter()
        .map(|key| {
            let parts: Vec<_> = key.split('.').collect();
            (number(parts[1]), number(parts[2]))
        })
        .collect()
}

#[tokio::test]
async fn a_push_that_may_have_been_applied_is_repeated_under_its_key() {
    let (fake, client) = start().await;
    fake.fail([Fault::Applied(lost()), Fault::Applied(lost())]);
    assert_eq!(client.list().push_left("l", "v").await.unwrap(), 1);
    assert_eq!(client.list().pop_left("l").await.unwrap().unwrap(), "v");
    assert_eq!(client.list().pop_left("l").await.unwrap(), None, "it was applied once");
    assert_eq!(numbers(&fake), [(0, 0), (0, 0), (0, 0), (1, 1), (2, 2)]);
    let asked = fake.state.asked.load(SeqCst);
    assert_eq!(asked, 1, "the backend is asked once");
}

#[tokio::test]
async fn what_sets_a_state_has_no_key() {
    let (fake, client) = start().await;
    client.keyvalue().set("k", "v").await.unwrap();
    client.keyvalue().get("k").await.unwrap();
    client.keyvalue().delete("k").await.unwrap();
    client.list().length("l").await.unwrap();
    assert_eq!((numbers(&fake), fake.state.asked.load(SeqCst)), (vec![], 0));
}

#[tokio::test]
async fn where_the_backend_keeps_no_answers_nothing_has_a_key() {
    let (fake, client) = start().await;
    fake.state.keeps_answers.store(false, SeqCst);
    fake.fail([Fault::Applied(lost())]);
    let error = client.list().push_left("l", "v").await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, false));
    assert_eq!((numbers(&fake), fake.state.asked.load(SeqCst)), (vec![], 1));
}

#[tokio::test]
async fn a_backend_that_keeps_answers_no_more_is_called_without_a_key() {
    let (fake, client) = start().await;
    client.list().push_left("l", "v").await.unwrap();
    fake.state.keeps_answers.store(false, SeqCst);
    assert_eq!(client.list().push_left("l", "v").await.unwrap(), 2);
    assert_eq!(client.list().push_left("l", "v").await.unwrap(), 3);
    assert_eq!((numbers(&fake).len(), fake.state.asked.load(SeqCst)), (2, 2));
}

#[tokio::test]
async fn a_call_with_a_key_of_its_own_keeps_it() {
    let (fake, client) = start().await;
    let key = "000000000000000000000000000000ff.7.3";
    client.list().push_left("l", "v").metadata("idempotency-key", key).await.unwrap();
    assert_eq!(*fake.state.keys.lock().unwrap(), [key]);
}

#[tokio::test]
async fn a_call_whose_first_attempt_is_in_doubt_ends_in_doubt() {
    let (fake, client) = start().await;
    let refused = Error::unavailable(ErrorReason::Draining, Applied::No, "not now");
    // More refusals than there are attempts.
    fake.fail([Fault::Applied(lost())]);
    fake.fail(std::iter::repeat_n(Fault::Status(refused.into()), 10));
    let error = client.list().push_left("l", "v").await.unwrap_err();
    assert_eq!(error.reason(), Some(ErrorReason::BackendLost));
    assert!(!error.is_not_applied(), "{error}");
}
