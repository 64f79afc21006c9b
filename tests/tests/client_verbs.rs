//! Each verb of the Rust client does what it says, through a gateway and with a real store.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt as _, poll};
use prism_client::{Client, Condition, End, ErrorKind, ErrorReason, KeyValue, List};
use prism_e2e::client;
use prism_e2e::process::{Process, Proxy};
use rustix::process::Signal;
use sha2::{Digest as _, Sha256};

const HOUR: Duration = Duration::from_secs(3600);

struct Stack {
    _memstore: Process,
    _proxy: Proxy,
    client: Client,
}

impl Stack {
    fn start() -> Self {
        let memstore = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
        let proxy = Proxy::start(&[("default", memstore.grpc())]);
        Self { client: client(proxy.grpc()), _memstore: memstore, _proxy: proxy }
    }

    fn keyvalue(&self) -> KeyValue {
        self.client.keyvalue()
    }

    fn list(&self) -> List {
        self.client.list()
    }
}

fn some(value: &'static str) -> Option<Bytes> {
    Some(Bytes::from(value))
}

#[tokio::test]
async fn a_condition_decides_whether_a_write_is_applied() {
    let stack = Stack::start();
    let kv = stack.keyvalue();
    assert_eq!(kv.find("k").await.unwrap(), None);
    assert!(kv.set_if_absent("k", "1").ttl(HOUR).await.unwrap());
    assert!(!kv.set_if_absent("k", "2").await.unwrap());
    assert_eq!(kv.find("k").await.unwrap(), some("1"));
    assert!(kv.get_ttl("k").await.unwrap().unwrap() <= HOUR);

    let digest = Bytes::copy_from_slice(&Sha256::digest("1"));
    for (condition, applies) in [
        (Condition::Absent, false),
        (Condition::Equals("2".into()), false),
        (Condition::Differs("1".into()), false),
        (Condition::Present, true),
        (Condition::Equals("1".into()), true),
        (Condition::EqualsSha256(digest), true),
        (Condition::Differs("2".into()), true),
    ] {
        let changed = kv.set_if("k", "1", condition.clone()).return_current().await.unwrap();
        assert_eq!((changed.applied, changed.current), (applies, some("1")), "{condition:?}");
    }
    assert_eq!(kv.set_if("k", "1", Condition::Present).await.unwrap().current, None, "nobody asked for it");
    let refused = kv.set_if("k", "1", Condition::EqualsSha256("short".into())).await.unwrap_err();
    assert_eq!(refused.reason(), Some(ErrorReason::ConditionInvalid));

    assert!(!kv.delete_if("k", Condition::Equals("2".into())).await.unwrap().applied);
    let removed = kv.delete_if("k", Condition::Equals("1".into())).return_current().await.unwrap();
    assert_eq!((removed.applied, removed.current), (true, some("1")));

    assert_eq!(kv.get_and_set("k", "a").ttl_millis(60_000).await.unwrap(), None);
    assert_eq!(kv.get_and_set("k", "b").await.unwrap(), some("a"));
    assert_eq!(kv.get_and_delete("k").await.unwrap(), some("b"));
    assert_eq!(kv.get_and_delete("k").await.unwrap(), None);
}

#[tokio::test]
async fn a_counter_counts_and_says_what_it_cannot_count() {
    let stack = Stack::start();
    let kv = stack.keyvalue();
    assert_eq!(kv.increment("n", 1).await.unwrap(), 1);
    assert_eq!(kv.increment("n", -4).await.unwrap(), -3);
    assert_eq!(kv.get("n").await.unwrap(), "-3");
    assert_eq!(kv.increment("m", 5).initial(10).ttl(HOUR).await.unwrap(), 15);
    assert!(kv.get_ttl("m").await.unwrap().is_some());

    let over = kv.increment("n", i64::MIN).await.unwrap_err();
    assert_eq!((over.kind(), over.reason()), (ErrorKind::OutOfRange, Some(ErrorReason::CounterOverflow)));
    assert!(over.is_not_applied() && !over.is_retryable());
    kv.set("text", "one").await.unwrap();
    let error = kv.increment("text", 1).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.reason()),
        (ErrorKind::FailedPrecondition, Some(ErrorReason::NotANumber))
    );
}

#[tokio::test]
async fn a_time_to_live_is_read_set_and_removed() {
    let stack = Stack::start();
    let kv = stack.keyvalue();
    kv.set("k", "v").ttl(Duration::from_millis(90_500)).await.unwrap();
    let left = kv.get_ttl("k").await.unwrap().unwrap();
    assert!(left <= Duration::from_millis(90_500) && left > Duration::from_secs(30), "{left:?}");
    assert!(kv.expire("k", 7_200_000).await.unwrap());
    assert!(kv.get_ttl("k").await.unwrap().unwrap() > HOUR);
    assert!(kv.persist("k").await.unwrap());
    assert!(!kv.persist("k").await.unwrap());
    assert_eq!(kv.get_ttl("k").await.unwrap(), None);

    assert!(!kv.expire("missing", 1).await.unwrap());
    assert!(!kv.persist("missing").await.unwrap());
    assert_eq!(kv.get_ttl("missing").await.unwrap_err().kind(), ErrorKind::NotFound);
    for error in [
        kv.expire("k", 0).await.unwrap_err(),
        kv.set("k", "v").ttl(Duration::ZERO).await.unwrap_err(),
        kv.set("k", "v").ttl_millis(-1).await.unwrap_err(),
    ] {
        assert_eq!(error.reason(), Some(ErrorReason::TtlInvalid));
    }
}

#[tokio::test]
async fn a_batch_answers_each_item_in_order_however_many_there_are() {
    let stack = Stack::start();
    let kv = stack.keyvalue();
    let keys: Vec<_> = (0..2_500).map(|number| format!("k{number:04}")).collect();
    let stored = kv.set_many(keys.iter().map(|key| (key.clone(), key.clone()))).await;
    assert_eq!(stored.len(), 2_500);
    assert!(stored.iter().all(Result::is_ok));
    assert_eq!(kv.count("k").await.unwrap(), 2_500);

    let asked = keys.iter().rev().cloned().chain(["missing".to_owned()]);
    let values: Vec<_> = kv.get_many(asked).await.into_iter().map(Result::unwrap).collect();
    let expected = keys.iter().rev().map(|key| Some(Bytes::from(key.clone()))).chain([None]);
    assert_eq!(values, expected.collect::<Vec<_>>());

    let found: Vec<_> =
        kv.delete_many(["k0000", "missing", "k0001"]).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(found, [true, false, true]);
    assert!(kv.get_many(Vec::<String>::new()).await.is_empty());
}

#[tokio::test]
async fn a_batch_of_large_values_is_split_by_size() {
    let stack = Stack::start();
    let kv = stack.keyvalue();
    let value = Bytes::from(vec![7; 1 << 20]);
    let items: Vec<_> = (0..9).map(|number| (format!("k{number}"), value.clone())).collect();
    assert!(kv.set_many(items).await.iter().all(Result::is_ok));
    let values = kv.get_many((0..9).map(|number| format!("k{number}"))).await;
    assert!(values.into_iter().all(|found| found.unwrap() == Some(value.clone())));
}

#[tokio::test]
async fn one_failing_item_fails_nothing_else() {
    let stack = Stack::start();
    let kv = stack.keyvalue();
    let too_large = Bytes::from(vec![0; 5 << 20]);
    let items = [("a", Bytes::from("1")), ("", "2".into()), ("b", too_large), ("c", "3".into())];
    let results = kv.set_many(items).await;
    let failed: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().err().map(|error| (error.reason().unwrap(), error.is_not_applied())))
        .collect();
    let (invalid, large) = (ErrorReason::KeyInvalid, ErrorReason::MessageTooLarge);
    assert_eq!(failed, [None, Some((invalid, true)), Some((large, true)), None]);
    assert_eq!(kv.get("c").await.unwrap(), "3");
    let error = results[1].as_ref().unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::InvalidArgument, "keyvalue.batch_set"));
}

#[tokio::test]
async fn all_keys_with_a_prefix_are_removed() {
    let stack = Stack::start();
    let kv = stack.keyvalue();
    let items = (0..1_200).map(|number| (format!("a{number}"), "v")).chain([("b".to_owned(), "v")]);
    assert!(kv.set_many(items).await.iter().all(Result::is_ok));
    assert_eq!(kv.delete_prefix("a").limit(200).await.unwrap(), 200);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = seen.clone();
    let deletion = kv.delete_prefix("a").on_progress(move |deleted| told.lock().unwrap().push(deleted));
    assert_eq!(deletion.await.unwrap(), 1_000);
    let seen = seen.lock().unwrap().clone();
    assert!(seen.len() > 1 && seen.is_sorted() && seen.last() == Some(&1_000), "{seen:?}");
    assert_eq!(kv.delete_prefix("a").await.unwrap(), 0);
    assert_eq!(kv.count("").await.unwrap(), 1);
    let error = kv.delete_prefix("a").limit(-1).await.unwrap_err();
    assert_eq!(error.reason(), Some(ErrorReason::LimitInvalid));
}

#[tokio::test]
async fn a_scan_goes_backwards_up_to_a_key_and_with_times_to_live() {
    let stack = Stack::start();
    let kv = stack.keyvalue();
    for key in ["a", "b", "c", "d", "e"] {
        kv.set(key, key).await.unwrap();
    }
    kv.expire("c", 3_600_000).await.unwrap();
    let keys = |scan: prism_client::Scan<String>| scan.map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!(keys(kv.scan_keys("").reverse(true)).await, ["e", "d", "c", "b", "a"]);
    assert_eq!(keys(kv.scan_keys("").reverse(true).before("d").limit(2)).await, ["c", "b"]);
    assert_eq!(keys(kv.scan_keys("").start_after("a").before("d")).await, ["b", "c"]);
    let entries: Vec<_> = kv.scan("").with_ttl(true).map(Result::unwrap).collect().await;
    let expiring: Vec<_> = entries.iter().filter(|entry| entry.ttl_left.is_some()).collect();
    assert_eq!((entries.len(), expiring.len(), expiring[0].key.as_str()), (5, 1, "c"));
    assert!(expiring[0].ttl_left.unwrap() <= HOUR);
}

#[tokio::test]
async fn many_values_are_pushed_and_popped_at_either_end() {
    let stack = Stack::start();
    let list = stack.list();
    let pushed = list.push_many("l", End::Right, ["a", "b", "c"]).await.unwrap();
    assert_eq!((pushed.new_length, pushed.trimmed), (3, 0));
    let pushed = list.push_many("l", End::Left, ["x", "y"]).max_len(4).await.unwrap();
    assert_eq!((pushed.new_length, pushed.trimmed), (4, 1));
    assert_eq!(list.range("l", 0, -1).await.unwrap(), ["y", "x", "a", "b"]);
    assert_eq!(list.pop_many("l", End::Right, 2).await.unwrap(), ["b", "a"]);
    assert_eq!(list.pop_many("l", End::Left, 1_000).await.unwrap(), ["y", "x"]);
    assert!(list.pop_many("l", End::Left, 1).await.unwrap().is_empty());
    let error = list.pop_many("l", End::Left, 1_001).await.unwrap_err();
    assert_eq!(error.reason(), Some(ErrorReason::BatchTooLarge));
    let error = list.push_many("l", End::Left, vec!["v"; 1_001]).await.unwrap_err();
    assert_eq!(error.reason(), Some(ErrorReason::BatchTooLarge));
}

#[tokio::test]
async fn a_list_is_read_changed_and_cut_by_index() {
    let stack = Stack::start();
    let list = stack.list();
    list.push_many("l", End::Right, ["a", "b", "a", "c", "a"]).await.unwrap();
    assert_eq!(list.range("l", 1, -2).await.unwrap(), ["b", "a", "c"]);
    assert_eq!(list.get_at("l", -2).await.unwrap(), some("c"));
    assert_eq!(list.get_at("l", 5).await.unwrap(), None);
    list.set_at("l", 1, "B").await.unwrap();
    let error = list.set_at("l", 5, "v").await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::OutOfRange, Some(ErrorReason::IndexOutOfRange)));
    assert_eq!(list.remove("l", "a", -1).await.unwrap(), 1);
    assert_eq!(list.remove("l", "a", 0).await.unwrap(), 2);
    assert_eq!(list.trim("l", 0, 0).await.unwrap(), 1);
    assert_eq!(list.range("l", 0, -1).await.unwrap(), ["B"]);
    assert_eq!(list.clear("l").await.unwrap(), 1);
    assert_eq!(list.clear("l").await.unwrap(), 0);
    assert!(list.range("l", 0, -1).await.unwrap().is_empty());
}

#[tokio::test]
async fn lists_are_found_with_their_lengths() {
    let stack = Stack::start();
    let list = stack.list();
    for (key, length) in [("a1", 1), ("a2", 2), ("b", 3)] {
        list.push_many(key, End::Right, vec!["v"; length]).await.unwrap();
    }
    let mut found: Vec<_> =
        list.lists("a").map(Result::unwrap).map(|list| (list.list_key, list.length)).collect().await;
    found.sort();
    assert_eq!(found, [("a1".to_owned(), 1), ("a2".to_owned(), 2)]);
    assert_eq!((list.count_lists("a").await.unwrap(), list.count_lists("").await.unwrap()), (2, 3));
    assert_eq!(list.lists("").limit(2).map(Result::unwrap).count().await, 2);
}

#[tokio::test]
async fn a_pop_waits_for_its_value() {
    let stack = Stack::start();
    let list = stack.list();
    list.push_many("l", End::Right, ["a", "b"]).await.unwrap();
    assert_eq!(list.blocking_pop("l", End::Right, HOUR / 60).await.unwrap(), some("b"));
    assert_eq!(list.blocking_pop("l", End::Left, Duration::ZERO).await.unwrap(), some("a"));
    assert_eq!(list.blocking_pop("l", End::Left, Duration::ZERO).await.unwrap(), None);

    let begun = Instant::now();
    // The call itself may take far less than the wait: its deadline counts in addition.
    let waited =
        list.blocking_pop("l", End::Left, Duration::from_millis(400)).timeout(Duration::from_millis(300));
    assert_eq!(waited.await.unwrap(), None);
    assert!(begun.elapsed() >= Duration::from_millis(400));

    let pop = list.blocking_pop("l", End::Left, HOUR / 60).send();
    let (popped, pushed) = tokio::join!(pop, list.push_left("l", "late").send());
    assert_eq!(popped.unwrap(), some("late"));
    pushed.unwrap();

    let error = list.blocking_pop("l", End::Left, Duration::from_secs(301)).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::InvalidArgument, Some(ErrorReason::WaitInvalid)));
    assert_eq!((error.field(), error.limit()), (Some("wait"), Some(300)));
    assert!(error.message().contains("301s"), "{error}");
}

#[tokio::test]
async fn a_pop_outlives_the_restart_of_its_store() {
    let mut first = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
    let address = first.grpc().to_owned();
    let list = client(&address).list();
    assert_eq!(list.length("l").await.unwrap(), 0, "the connection is there");
    let mut pop = pin!(list.blocking_pop("l", End::Left, HOUR / 60).send());
    assert!(poll!(pop.as_mut()).is_pending());
    assert_eq!(list.length("l").await.unwrap(), 0, "the pop was sent before");

    let restart = async {
        let second = tokio::task::spawn_blocking(move || {
            first.signal(Signal::TERM);
            assert!(first.wait().success());
            Process::start("prism-memstore", ["--listen", &address])
        });
        let second = second.await.unwrap();
        client(second.grpc()).list().push_left("l", "v").await.unwrap();
        second
    };
    let (popped, _second) = tokio::join!(pop, restart);
    assert_eq!(popped.unwrap(), some("v"));
}
