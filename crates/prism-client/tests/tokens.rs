//! Tokens: which one is sent, and what happens when the server refuses it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, unreachable_pub, reason = "test support, of which each test uses a part")]
mod fake;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fake::Fake;
use futures_util::future::join_all;
use prism_client::{Builder, Client, Error, ErrorKind};

/// Creates `token-0`, `token-1` and so on, and counts them.
fn rotating(builder: Builder) -> (Client, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let builder = builder.token_provider(move || {
        let number = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(format!("token-{number}"))
        }
    });
    (builder.build().unwrap(), asked)
}

fn kind(error: &Error) -> ErrorKind {
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    error.kind()
}

#[tokio::test]
async fn a_fixed_token_is_sent_once_and_its_refusal_is_final() {
    let fake = Fake::start().await;
    fake.accept_only("s3cret");
    let good = Client::builder(&fake.address()).token("s3cret").build().unwrap();
    good.keyvalue().set("k", "v").await.unwrap();
    let bad = Client::builder(&fake.address()).token("s3cret-2").build().unwrap();
    assert_eq!(kind(&bad.keyvalue().get("k").await.unwrap_err()), ErrorKind::Unauthenticated);
    assert_eq!(fake.calls(), ["set", "get"]);
}

#[tokio::test]
async fn a_refused_token_is_replaced_by_the_providers_next_one() {
    let fake = Fake::start().await;
    fake.accept_only("token-0");
    let (client, asked) = rotating(Client::builder(&fake.address()));
    client.keyvalue().set("k", "v").await.unwrap();
    fake.accept_only("token-1");
    assert_eq!(client.list().push_left("l", "v").await.unwrap(), 1, "a write, too");
    fake.accept_only("token-2");
    let mut scan = client.keyvalue().scan("");
    assert_eq!(scan.next().await.unwrap().unwrap().key, "k");
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    assert_eq!(fake.calls(), ["set", "push_left", "push_left", "scan", "scan"]);
}

#[tokio::test]
async fn a_provider_is_asked_once_for_each_call_and_each_refused_token() {
    let fake = Fake::start().await;
    let (client, asked) = rotating(Client::builder(&fake.address()));
    fake.accept_only("none of them");
    assert_eq!(kind(&client.keyvalue().get("k").await.unwrap_err()), ErrorKind::Unauthenticated);
    assert_eq!((fake.calls().len(), asked.load(Ordering::SeqCst)), (2, 2));

    fake.accept_only("token-2");
    let keyvalue = client.keyvalue();
    let answers = join_all((0..100).map(|number| keyvalue.set(format!("k{number}"), "v").send()));
    assert!(answers.await.into_iter().all(|answer| answer.is_ok()));
    assert_eq!(asked.load(Ordering::SeqCst), 3, "calls in flight share a question");
}

#[tokio::test]
async fn the_same_token_again_is_not_sent_again() {
    let fake = Fake::start().await;
    fake.accept_only("another");
    let stubborn = || async { Ok::<_, Infallible>("s3cret".to_owned()) };
    let client = Client::builder(&fake.address()).token_provider(stubborn).build().unwrap();
    assert_eq!(kind(&client.keyvalue().get("k").await.unwrap_err()), ErrorKind::Unauthenticated);
    assert_eq!(fake.calls(), ["get"]);
}

#[tokio::test]
async fn a_file_is_read_again_when_its_token_is_refused() {
    let fake = Fake::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let client = Client::builder(&fake.address()).token_file(&path).build().unwrap();
    let missing = client.keyvalue().exists("k").await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Unauthenticated);
    assert!(missing.message().contains(path.to_str().unwrap()), "{missing}");
    assert!(fake.calls().is_empty(), "nothing is sent without the token");

    std::fs::write(&path, "one\n").unwrap();
    fake.accept_only("one");
    assert!(!client.keyvalue().exists("k").await.unwrap());
    std::fs::write(&path, "two\n").unwrap();
    fake.accept_only("two");
    assert!(!client.keyvalue().exists("k").await.unwrap());
    std::fs::remove_file(&path).unwrap();
    fake.accept_only("three");
    let error = client.keyvalue().exists("k").await.unwrap_err();
    assert!(error.message().starts_with("the server refused the token, and cannot read "), "{error}");
}

#[tokio::test]
async fn a_slow_provider_costs_a_call_its_deadline_and_not_the_next_one() {
    let fake = Fake::start().await;
    let (give, given) = tokio::sync::watch::channel(false);
    let provider = move || {
        let mut given = given.clone();
        async move {
            given.wait_for(|given| *given).await.unwrap();
            Ok::<_, Infallible>("s3cret".to_owned())
        }
    };
    let client = Client::builder(&fake.address()).token_provider(provider).build().unwrap();
    let error = client.keyvalue().exists("k").timeout(Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(kind(&error), ErrorKind::DeadlineExceeded);
    give.send_replace(true);
    client.keyvalue().exists("k").timeout(Duration::from_secs(60)).await.unwrap();
}

#[tokio::test]
async fn a_calls_own_credential_replaces_the_clients_and_asks_nobody() {
    let fake = Fake::start().await;
    fake.accept_only("own");
    let (client, asked) = rotating(Client::builder(&fake.address()));
    client.keyvalue().exists("k").metadata("authorization", "Bearer own").await.unwrap();
    let refused = client.keyvalue().exists("k").metadata("authorization", "Bearer s3cret").await;
    assert_eq!(kind(&refused.unwrap_err()), ErrorKind::Unauthenticated);
    assert_eq!((fake.calls().len(), asked.load(Ordering::SeqCst)), (2, 0));
}

#[tokio::test]
async fn no_credential_is_sent_in_plaintext_to_another_machine() {
    let client = Client::new("gateway.invalid:8980").unwrap();
    let call = client.keyvalue().exists("k").metadata("authorization", "Bearer s3cret");
    let mut scan = client.keyvalue().scan("").metadata("authorization", "Bearer s3cret");
    for error in [call.await.unwrap_err(), scan.next().await.unwrap().unwrap_err()] {
        assert_eq!(kind(&error), ErrorKind::InvalidArgument, "nothing is dialled");
        assert!(error.message().contains("insecure_token"), "{error}");
    }
}
