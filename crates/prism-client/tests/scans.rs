//! Scans that are interrupted, stalled or cancelled.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, unreachable_pub, reason = "test support, of which each test uses a part")]
mod fake;

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use fake::{Fake, Fault};
use futures_util::StreamExt as _;
use prism_client::{Client, ErrorKind, ErrorReason};
use prism_proto::{Applied, Error};
use tokio::time::Instant;
use tonic::Status;

fn lost() -> Status {
    Error::unavailable(ErrorReason::BackendLost, Applied::Maybe, "the backend was lost").into()
}

/// A server with the keys `k0` to `k9`.
async fn ten_keys() -> (Fake, Client) {
    let fake = Fake::start().await;
    let client = Client::new(&fake.address()).unwrap();
    for index in 0..10 {
        client.keyvalue().set(format!("k{index}"), "v").await.unwrap();
    }
    (fake, client)
}

#[tokio::test]
async fn a_lost_scan_goes_on_behind_the_last_key_within_its_limit() {
    let (fake, client) = ten_keys().await;
    fake.fail([Fault::After(3, lost()), Fault::Status(lost()), Fault::After(2, lost())]);
    let scan = client.keyvalue().scan("k").limit(8);
    let keys: Vec<_> = scan.map(|entry| entry.unwrap().key).collect().await;
    assert_eq!(keys, ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"]);

    let asked: Vec<_> = (fake.state.scans.lock().unwrap().iter())
        .map(|request| (request.start_after.clone(), request.limit))
        .collect();
    assert_eq!(asked, [(None, 8), (Some("k2".to_owned()), 5), (Some("k4".to_owned()), 3)]);
}

#[tokio::test]
async fn a_scan_that_goes_on_in_other_data_is_interrupted() {
    for (first, second) in [(Some("a"), Some("b")), (Some("a"), None), (None, Some("b"))] {
        let (fake, client) = ten_keys().await;
        fake.fail([Fault::After(3, lost())]);
        fake.state.epochs.lock().unwrap().extend([first, second]);
        let results: Vec<_> = client.keyvalue().scan("k").collect().await;
        assert_eq!(results.len(), 4, "three entries, one error, and then the end");
        let error = results[3].as_ref().unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Aborted, Some(ErrorReason::ScanInterrupted)));
        assert_eq!((error.code_name(), error.is_retryable()), ("ABORTED", true));
    }
}

#[tokio::test]
async fn a_scan_that_goes_on_in_its_data_is_complete() {
    let (fake, client) = ten_keys().await;
    fake.fail([Fault::After(3, lost()), Fault::Status(lost()), Fault::After(2, lost())]);
    // The one that fails at once sends no epoch.
    fake.state.epochs.lock().unwrap().extend([Some("a"); 3]);
    assert_eq!(client.keyvalue().scan("k").map(Result::unwrap).count().await, 10);
}

#[tokio::test]
async fn a_scan_that_had_read_nothing_begins_in_whatever_data_there_is() {
    let (fake, client) = ten_keys().await;
    fake.fail([Fault::After(0, lost())]);
    fake.state.epochs.lock().unwrap().extend([Some("a"), Some("b")]);
    assert_eq!(client.keyvalue().scan("k").map(Result::unwrap).count().await, 10);
}

#[tokio::test]
async fn a_scan_that_lost_only_its_ending_is_complete() {
    let (fake, client) = ten_keys().await;
    fake.fail([Fault::After(4, lost())]);
    assert_eq!(client.keyvalue().scan("k").limit(4).map(Result::unwrap).count().await, 4);
    assert_eq!(fake.state.scans.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn without_cursors_the_original_error_is_returned() {
    let (fake, client) = ten_keys().await;
    let unsupported = Error::new(ErrorReason::CursorUnsupported, "this backend is not ordered");
    fake.fail([Fault::After(3, lost()), Fault::Status(unsupported.into())]);
    let results: Vec<_> = client.keyvalue().scan("k").collect().await;
    assert_eq!(results.len(), 4, "three entries, one error, and then the end");
    let error = results[3].as_ref().unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Unavailable, Some(ErrorReason::BackendLost)));
}

/// A server with ten keys that returns them from `k9` to `k0`, with a token every `page` entries.
async fn ten_keys_without_order(page: usize) -> (Fake, Client) {
    let (fake, client) = ten_keys().await;
    fake.state.unordered.store(true, Ordering::SeqCst);
    fake.state.page.store(page, Ordering::SeqCst);
    (fake, client)
}

async fn keys(scan: prism_client::Scan<prism_client::Entry>) -> String {
    scan.map(|entry| entry.unwrap().key.replace('k', "")).collect().await
}

/// The positions at which scans were asked to start: the key, or the token.
fn starts(fake: &Fake) -> Vec<(Option<String>, Bytes)> {
    let scans = fake.state.scans.lock().unwrap();
    scans.iter().map(|request| (request.start_after.clone(), request.resume.clone())).collect()
}

#[tokio::test]
async fn a_lost_scan_without_order_goes_on_at_its_last_token() {
    let (fake, client) = ten_keys_without_order(3).await;
    fake.fail([Fault::After(5, lost()), Fault::Status(lost()), Fault::After(4, lost())]);
    let scan = client.keyvalue().scan("k").limit(12);
    assert_eq!(keys(scan).await, "987656543321", "those behind a token are repeated, within the limit");
    let asked: Vec<_> = fake.state.scans.lock().unwrap().iter().map(|request| request.limit).collect();
    assert_eq!(asked, [12, 7, 3]);
    let token = |token: &'static str| (None, Bytes::from(token));
    assert_eq!(starts(&fake), [token(""), token("k7"), token("k4")]);
}

#[tokio::test]
async fn a_scan_that_only_looked_ordered_goes_on_at_its_last_token() {
    let (fake, client) = ten_keys_without_order(1).await;
    fake.fail([Fault::After(1, lost())]);
    assert_eq!(keys(client.keyvalue().scan("k")).await, "9876543210");
    let behind = |key: &str| (Some(key.to_owned()), Bytes::new());
    assert_eq!(starts(&fake), [(None, Bytes::new()), behind("k9"), (None, Bytes::from("k9"))]);
}

#[tokio::test]
async fn a_lost_scan_in_order_repeats_nothing_even_if_there_are_tokens() {
    let (fake, client) = ten_keys().await;
    fake.state.page.store(3, Ordering::SeqCst);
    fake.fail([Fault::After(5, lost())]);
    assert_eq!(keys(client.keyvalue().scan("k")).await, "0123456789");
    assert_eq!(starts(&fake)[1], (Some("k4".to_owned()), Bytes::new()));
}

#[tokio::test]
async fn repetitions_are_no_progress() {
    let (fake, client) = ten_keys_without_order(3).await;
    fake.fail([vec![Fault::After(3, lost())], vec![Fault::After(2, lost()); 9]].concat());
    let results: Vec<_> = client.keyvalue().scan("k").collect().await;
    assert_eq!(results.last().unwrap().as_ref().unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(fake.calls().iter().filter(|call| *call == "scan").count(), 5);
}

#[tokio::test]
async fn another_backend_that_refuses_the_scans_token_interrupts_it() {
    let (fake, client) = ten_keys_without_order(3).await;
    let invalid = Error::new(ErrorReason::ResumeInvalid, "resume is a token of another backend");
    fake.fail([Fault::After(3, lost()), Fault::Status(invalid.into())]);
    let results: Vec<_> = client.keyvalue().scan("k").collect().await;
    let error = results[3].as_ref().unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Aborted, Some(ErrorReason::ScanInterrupted)));
}

#[tokio::test]
async fn a_scan_tells_its_token_and_another_continues_there() {
    let (fake, client) = ten_keys_without_order(3).await;
    let mut scan = client.keyvalue().scan("k");
    let mut tokens = Vec::new();
    while let Some(entry) = scan.next().await {
        entry.unwrap();
        tokens.push(scan.resume_token().cloned().unwrap_or_default());
    }
    let expected = [["", "", "k7"], ["k7", "k7", "k4"], ["k4", "k4", "k1"]].concat();
    assert_eq!(tokens, [&expected[..], &["k0"]].concat());
    let scan = client.keyvalue().scan("k").resume("k4");
    assert_eq!(scan.resume_token().unwrap(), "k4");
    // Lost before its first entry, it begins with the caller's token again.
    fake.fail([Fault::Status(lost())]);
    assert_eq!(keys(scan).await, "3210");
    let mut refused = client.keyvalue().scan("k").resume("no token");
    let error = refused.next().await.unwrap().unwrap_err();
    assert_eq!(
        (error.kind(), error.reason()),
        (ErrorKind::InvalidArgument, Some(ErrorReason::ResumeInvalid))
    );
}

#[tokio::test]
async fn a_scan_that_began_with_a_token_goes_on_at_its_last_one() {
    let (fake, client) = ten_keys().await;
    fake.state.page.store(3, Ordering::SeqCst);
    fake.fail([Fault::After(4, lost())]);
    assert_eq!(keys(client.keyvalue().scan("k").resume("k2")).await, "34566789", "its end is in its tokens");
    assert_eq!(starts(&fake), [(None, Bytes::from("k2")), (None, Bytes::from("k5"))]);
}

#[tokio::test]
async fn a_lost_scan_from_the_greatest_key_goes_on_before_the_last_one() {
    let (fake, client) = ten_keys().await;
    fake.fail([Fault::After(3, lost())]);
    let scan = client.keyvalue().scan("k").reverse(true).start_after("k2").before("k9").limit(5);
    assert_eq!(keys(scan).await, "87654");
    let asked = fake.state.scans.lock().unwrap()[1].clone();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!((asked.start_after, asked.before, asked.limit), (text("k2"), text("k6"), 2));
    assert!(asked.reverse && asked.resume.is_empty());
}

#[tokio::test]
async fn a_callers_own_cursor_may_be_refused() {
    let (fake, client) = ten_keys().await;
    let unsupported = Error::new(ErrorReason::CursorUnsupported, "this backend is not ordered");
    fake.fail([Fault::Status(unsupported.into())]);
    let error = client.keyvalue().scan("k").start_after("k3").next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unimplemented);
}

#[tokio::test]
async fn a_scan_that_makes_no_progress_is_given_up() {
    let (fake, client) = ten_keys().await;
    fake.fail(vec![Fault::Status(lost()); 9]);
    let error = client.keyvalue().scan("k").next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(fake.calls().iter().filter(|call| *call == "scan").count(), 5);
}

#[tokio::test]
async fn a_stalled_scan_ends_at_its_limit_and_delivers_what_came() {
    let (fake, _) = ten_keys().await;
    let client = Client::builder(&fake.address()).stall_timeout(Duration::from_secs(30)).build().unwrap();
    fake.fail([Fault::After(2, Status::ok(""))]);
    let mut scan = client.keyvalue().scan("k");
    assert_eq!(scan.next().await.unwrap().unwrap().key, "k0");
    assert_eq!(scan.next().await.unwrap().unwrap().key, "k1");
    // From here on, time passes only when nothing else happens.
    tokio::time::pause();
    let begun = Instant::now();
    let error = scan.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    assert!(begun.elapsed() < Duration::from_secs(31), "{:?}", begun.elapsed());
    assert!(scan.next().await.is_none());
}

#[tokio::test]
async fn a_scans_own_time_limit_holds() {
    let (fake, client) = ten_keys().await;
    fake.fail([Fault::After(1, Status::ok(""))]);
    let mut scan = client.keyvalue().scan("k").timeout(Duration::from_secs(30));
    scan.next().await.unwrap().unwrap();
    tokio::time::pause();
    let begun = Instant::now();
    assert_eq!(scan.next().await.unwrap().unwrap_err().kind(), ErrorKind::DeadlineExceeded);
    assert!(begun.elapsed() < Duration::from_secs(31), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn unread_scans_do_not_hold_up_other_calls() {
    let fake = Fake::start().await;
    let client = Client::new(&fake.address()).unwrap();
    let kv = client.keyvalue();
    for index in 0..8 {
        kv.set(format!("k{index}"), vec![0; 1 << 20]).await.unwrap();
    }
    let mut unread = Vec::new();
    for _ in 0..64 {
        let mut scan = kv.scan("k");
        scan.next().await.unwrap().unwrap();
        unread.push(scan);
    }
    assert!(kv.exists("k0").await.unwrap());
    assert_eq!(kv.scan("k").map(Result::unwrap).count().await, 8);
}

#[tokio::test]
async fn dropped_scans_give_their_places_back() {
    let (fake, client) = ten_keys().await;
    for _ in 0..300 {
        fake.fail([Fault::After(1, Status::ok(""))]);
        client.keyvalue().scan("k").next().await.unwrap().unwrap();
    }
}
