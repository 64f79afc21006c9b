//! What happens to calls when the server, or the connection to it, misbehaves.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, unreachable_pub, reason = "test support, of which each test uses a part")]
mod fake;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fake::{Cut, Fake, Fault};
use prism_client::{Client, ErrorKind, ErrorReason};
use prism_proto::{Applied, Error};
use tokio::net::TcpSocket;
use tonic::Status;

fn lost(applied: Applied) -> Status {
    Error::unavailable(ErrorReason::BackendLost, applied, "the backend was lost").into()
}

async fn start(cuts: impl IntoIterator<Item = Cut>) -> (Fake, Client) {
    let fake = Fake::cutting(cuts).await;
    let client = Client::new(&fake.address()).unwrap();
    (fake, client)
}

/// A port that is bound, so that nobody else gets it, and refuses connections until it listens.
fn not_listening() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    socket
}

#[tokio::test]
async fn a_call_that_was_not_applied_is_repeated_whatever_it_is() {
    let (fake, client) = start([]).await;
    fake.fail([Fault::Status(lost(Applied::No)), Fault::Status(lost(Applied::No))]);
    assert_eq!(client.list().push_left("l", "v").await.unwrap(), 1);
    assert_eq!(fake.calls(), ["push_left"; 3]);
}

#[tokio::test]
async fn a_write_that_may_have_been_applied_is_not_repeated() {
    let (fake, client) = start([]).await;
    for (call, name) in [(0, "set"), (1, "delete"), (2, "push_left"), (3, "pop_right")] {
        fake.fail([Fault::Applied(lost(Applied::Maybe))]);
        let error = match call {
            0 => client.keyvalue().set("k", "v").await.unwrap_err(),
            1 => client.keyvalue().delete("k").await.unwrap_err(),
            2 => client.list().push_left("k", "v").await.unwrap_err(),
            _ => client.list().pop_right("k").await.unwrap_err(),
        };
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(!error.is_retryable());
        assert_eq!(fake.calls().iter().filter(|called| *called == name).count(), 1);
    }
}

#[tokio::test]
async fn a_read_is_repeated_even_if_it_may_have_been_served() {
    let (fake, client) = start([]).await;
    fake.fail([Fault::Status(lost(Applied::Maybe)), Fault::Status(Status::unavailable("no details"))]);
    assert!(!client.keyvalue().exists("k").await.unwrap());
    assert_eq!(fake.calls(), ["exists"; 3]);
}

#[tokio::test]
async fn attempts_are_bounded() {
    let fake = Fake::start().await;
    let (told, failures) = std::sync::mpsc::channel();
    let client = Client::builder(&fake.address()).attempts_max(3).on_retry(move |error| {
        told.send(error.reason()).unwrap();
    });
    let client = client.build().unwrap();
    fake.fail(vec![Fault::Status(lost(Applied::No)); 9]);
    let error = client.keyvalue().exists("k").await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Unavailable, Some(ErrorReason::BackendLost)));
    assert!(error.is_retryable());
    assert_eq!(fake.calls().len(), 3);
    assert_eq!(
        failures.try_iter().collect::<Vec<_>>(),
        [Some(ErrorReason::BackendLost); 2],
        "the last is final"
    );
}

#[tokio::test]
async fn a_write_survives_a_refused_stream() {
    let (fake, client) = start([Cut::Refuse, Cut::Refuse]).await;
    assert_eq!(client.list().push_left("l", "v").await.unwrap(), 1);
    assert_eq!(fake.calls(), ["push_left"]);
}

#[tokio::test]
async fn a_write_survives_goaway_before_it_was_processed() {
    let (fake, client) = start([Cut::GoAway]).await;
    assert_eq!(client.list().push_left("l", "v").await.unwrap(), 1);
    assert_eq!(fake.calls(), ["push_left"]);
    assert_eq!(fake.state.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_idle_client_leaves_a_server_that_drains() {
    let (fake, client) = start([]).await;
    client.keyvalue().set("k", "v").await.unwrap();
    client.keyvalue().scan("").next().await.unwrap().unwrap();
    tokio::time::timeout(Duration::from_secs(60), fake.drained()).await.expect("the client stays connected");
}

#[tokio::test]
async fn a_dropped_connection_costs_a_write_but_not_a_read() {
    let (fake, client) = start([Cut::Drop]).await;
    let error = client.keyvalue().set("k", "v").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!error.is_retryable(), "it may have been applied");
    assert!(fake.calls().is_empty());
    client.keyvalue().set("k", "v").await.unwrap();

    let (fake, client) = start([Cut::Drop, Cut::Drop]).await;
    assert!(!client.keyvalue().exists("k").await.unwrap());
    assert_eq!(fake.calls(), ["exists"]);
}

#[tokio::test]
async fn a_server_that_is_down_is_unavailable_within_the_calls_time() {
    let socket = not_listening();
    let address = socket.local_addr().unwrap().to_string();
    let client = Client::new(&address).unwrap();
    let begun = Instant::now();
    let error = client.list().push_left("l", "v").timeout(Duration::from_secs(60)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_retryable(), "it was never sent");
    assert!(error.message().contains(&address), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn a_server_that_comes_up_late_is_found() {
    let socket = not_listening();
    let client = Client::new(&socket.local_addr().unwrap().to_string()).unwrap();
    let push = tokio::spawn(client.list().push_left("l", "v").timeout(Duration::from_secs(60)).into_future());
    client.list().push_left("l", "v").timeout(Duration::from_millis(1)).await.unwrap_err();
    let fake = Fake::on(socket.listen(16).unwrap(), []);
    assert_eq!(push.await.unwrap().unwrap(), 1);
    assert_eq!(fake.calls(), ["push_left"]);
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let (fake, client) = start([]).await;
    fake.fail([Fault::Silence]);
    let call = tokio::spawn(client.keyvalue().get("k").timeout(Duration::from_secs(60)).into_future());
    while fake.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    // From here on, time passes only when nothing else happens.
    tokio::time::pause();
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    assert_eq!(error.reason(), Some(ErrorReason::DeadlineExceeded));
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_given_up_at_the_deadline() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&listener.local_addr().unwrap().to_string()).unwrap();
    let error = client.keyvalue().get("k").timeout(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
}

#[tokio::test]
async fn dropping_a_call_resets_its_stream() {
    let (fake, client) = start([]).await;
    fake.fail([Fault::Silence]);
    // The server enforces the deadline, too: only a reset arrives this early.
    let call = tokio::spawn(client.keyvalue().get("k").timeout(Duration::from_secs(3600)).into_future());
    while fake.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    call.abort();
    tokio::time::timeout(Duration::from_secs(60), fake.call_dropped()).await.expect("the stream is reset");
}

#[tokio::test]
async fn a_call_waits_for_a_place_and_gives_up_at_its_deadline() {
    let fake = Fake::start().await;
    let client = Client::builder(&fake.address()).in_flight_max(1).build().unwrap();
    fake.fail([Fault::Silence]);
    let silent = tokio::spawn(client.keyvalue().get("k").into_future());
    while fake.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    let error = client.keyvalue().exists("k").timeout(Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    silent.abort();
    assert!(!client.keyvalue().exists("k").await.unwrap());
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let (fake, client) = start([]).await;
    for (reason, kind, retryable) in [
        (ErrorReason::NamespaceNotFound, ErrorKind::NamespaceNotFound, false),
        (ErrorReason::ReadOnly, ErrorKind::FailedPrecondition, false),
        (ErrorReason::KeyInvalid, ErrorKind::InvalidArgument, false),
        (ErrorReason::MemoryLimit, ErrorKind::ResourceExhausted, false),
        (ErrorReason::RateLimit, ErrorKind::ResourceExhausted, true),
        (ErrorReason::TooManyInFlight, ErrorKind::ResourceExhausted, true),
        (ErrorReason::TokenInvalid, ErrorKind::Unauthenticated, false),
        (ErrorReason::PermissionDenied, ErrorKind::PermissionDenied, false),
        (ErrorReason::MethodUnknown, ErrorKind::Unimplemented, false),
        (ErrorReason::Internal, ErrorKind::Internal, false),
    ] {
        fake.fail([Fault::Status(Error::new(reason, "told").into())]);
        let error = client.keyvalue().set("k", "v").await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (kind, Some(reason)));
        assert_eq!(error.is_retryable(), retryable, "{reason}");
    }
}
