//! Exports that are interrupted: nothing is missing, and nothing comes twice. Imports that have a timeout.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod fake;

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fake::{Fake, Fault};
use futures_util::{StreamExt as _, TryStreamExt as _};
use prism_client::{Client, Error, ErrorKind, ErrorReason, Item};
use prism_proto::Applied;
use prism_proto::interfaces::transfer::ListPart;

/// A backend with ten keys that fails an export after so many items, one after another.
async fn failing(after: &[usize], page: usize) -> Fake {
    let fake = Fake::start().await;
    let keyvalue = Client::new(&fake.address()).unwrap().keyvalue();
    for key in 0..10 {
        keyvalue.set(format!("k{key}"), "v").await.unwrap();
    }
    fake.state.page.store(page, SeqCst);
    let lost = || prism_proto::Error::unavailable(ErrorReason::BackendLost, Applied::Maybe, "lost").into();
    fake.fail(after.iter().map(|count| Fault::After(*count, lost())));
    fake
}

/// The keys that an export returns, and the error with which it ends.
async fn exported(fake: &Fake) -> (Vec<String>, Option<Error>) {
    let namespace = Client::new(&fake.address()).unwrap().namespace("default");
    let (mut export, mut keys) = (namespace.transfer().export(""), Vec::new());
    while let Some(exported) = export.next().await {
        match exported.map(|exported| exported.item) {
            Ok(Item::Key { key, .. }) => keys.push(key),
            Ok(other) => panic!("{other:?}"),
            Err(error) => return (keys, Some(error)),
        }
    }
    (keys, None)
}

fn all() -> Vec<String> {
    (0..10).map(|key| format!("k{key}")).collect()
}

#[tokio::test]
async fn what_was_returned_since_the_last_token_is_not_returned_again() {
    // With a token for every third key: the second attempt begins behind k2, and the third behind k5.
    let fake = failing(&[5, 5], 3).await;
    let (keys, error) = exported(&fake).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(keys, all());
    assert_eq!(fake.calls().iter().filter(|call| *call == "export").count(), 3);
}

#[tokio::test]
async fn an_export_without_tokens_begins_again_and_returns_the_rest() {
    let (keys, error) = exported(&failing(&[4, 6, 0], 0).await).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(keys, all());
}

fn part(part: u64, values: &[&'static str], last: bool) -> Item {
    let values = values.iter().map(|value| Bytes::from(*value)).collect();
    Item::ListPart { list_key: "l".to_owned(), values, part, last }
}

#[tokio::test]
async fn a_list_that_is_gone_after_an_interruption_ends_with_what_came_of_it() {
    let wire = |part, value: &str, last| ListPart {
        list_key: "l".to_owned(),
        values: vec![Bytes::from(value.to_owned())],
        part,
        last,
    };
    let begun = || vec![wire(0, "a", false), wire(1, "b", false), wire(2, "c", true)];
    for (again, expected) in [
        (vec![], vec![part(2, &[], true)]),
        (vec![wire(0, "b", true)], vec![part(0, &["b"], true)]),
        (begun(), vec![part(0, &["a"], false), part(1, &["b"], false), part(2, &["c"], true)]),
    ] {
        let fake = failing(&[12], 0).await;
        fake.state.parts.lock().unwrap().extend([begun(), again]);
        let namespace = Client::new(&fake.address()).unwrap().namespace("default");
        let export = namespace.transfer().export("").map_ok(|exported| exported.item);
        let items: Vec<_> = export.try_collect().await.unwrap();
        assert_eq!(items[10..12], [part(0, &["a"], false), part(1, &["b"], false)]);
        assert_eq!(items[12..], expected);
    }
    // One that fails within a list does not end it.
    let fake = failing(&[11], 0).await;
    fake.state.parts.lock().unwrap().push_back(begun());
    fake.state.epochs.lock().unwrap().extend([Some("first"), Some("second")]);
    let namespace = Client::new(&fake.address()).unwrap().namespace("default");
    let items: Vec<_> = namespace.transfer().export("").collect().await;
    assert!(items[..11].iter().all(Result::is_ok) && items[11].is_err() && items.len() == 12, "{items:?}");
}

/// Nothing was interrupted after the list had begun, so that its end is the backend's to send.
#[tokio::test]
async fn an_export_that_leaves_a_list_without_its_end_by_itself_is_an_error() {
    let wire = |list_key: &str, part| ListPart {
        list_key: list_key.to_owned(),
        values: vec!["a".into()],
        part,
        last: part > 0,
    };
    let begun = wire("l", 0);
    for (interrupted_after, behind) in [
        (None, vec![]),
        (Some(5), vec![]),
        (None, vec![wire("m", 0), wire("m", 1)]),
        (Some(5), vec![wire("m", 1)]),
        (None, vec![wire("l", 2)]),
    ] {
        let fake = failing(interrupted_after.as_slice(), 0).await;
        let parts = [vec![begun.clone()], behind].concat();
        fake.state.parts.lock().unwrap().extend(vec![parts; 2]);
        let namespace = Client::new(&fake.address()).unwrap().namespace("default");
        let items: Vec<_> = namespace.transfer().export("").collect().await;
        assert_eq!(items[10].as_ref().unwrap().item, part(0, &["a"], false));
        let error = items[11].as_ref().unwrap_err();
        assert_eq!((error.kind(), items.len()), (ErrorKind::Internal, 12), "{error}");
        assert!(error.to_string().contains("without its last part"), "{error}");
    }
}

#[tokio::test]
async fn an_export_does_not_go_on_in_other_data() {
    for page in [0, 3] {
        let fake = failing(&[5], page).await;
        fake.state.epochs.lock().unwrap().extend([Some("first"), Some("second")]);
        let (keys, error) = exported(&fake).await;
        assert_eq!(keys, all()[..5]);
        let error = error.unwrap();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Aborted, Some(ErrorReason::ScanInterrupted)));
    }
}

#[tokio::test]
async fn an_import_ends_at_its_deadline() {
    // Its connections are not accepted.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&listener.local_addr().unwrap().to_string()).unwrap();
    let begun = Instant::now();
    let mut import = client.namespace("default").transfer().import().timeout(Duration::from_millis(200));
    let item = Item::Key { key: "k".to_owned(), value: "v".into(), ttl_left: None };
    let error = import.send(item.clone()).await.unwrap_err();
    let deadline = (ErrorKind::DeadlineExceeded, Some(ErrorReason::DeadlineExceeded));
    assert_eq!((error.kind(), error.reason()), deadline, "{error}");
    assert!(begun.elapsed() >= Duration::from_millis(200));
    // It has passed for what comes later, too.
    assert_eq!(import.send(item).await.unwrap_err().kind(), ErrorKind::DeadlineExceeded);
    assert_eq!(import.flush().await.unwrap_err().kind(), ErrorKind::DeadlineExceeded);
}

#[tokio::test]
async fn the_server_knows_the_deadline_of_an_import() {
    let fake = Fake::start().await;
    let namespace = Client::new(&fake.address()).unwrap().namespace("default");
    for (timeout, is_sent) in [(None, false), (Some(Duration::from_secs(60)), true)] {
        let import = namespace.transfer().import();
        let import = match timeout {
            Some(timeout) => import.timeout(timeout),
            None => import,
        };
        assert_eq!(import.finish().await.unwrap_err().kind(), ErrorKind::Unimplemented);
        assert_eq!(fake.state.metadata.lock().unwrap().contains_key("grpc-timeout"), is_sent);
    }
}
