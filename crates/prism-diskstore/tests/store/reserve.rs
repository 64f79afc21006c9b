//! Values under leases.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use prism_diskstore::DiskStore;
use prism_plugin::Context;
use prism_plugin::list::{
    DeliveryLimit, End, List as _, ListIndexing as _, ListRange as _, ListReserve as _, Reservation, Reserved,
};
use prism_plugin::retries::{Attempt, IdempotencyKey, IdempotentRetries as _};

use crate::support::{key, namespace, open, pop, push};

const LONG: Duration = Duration::from_secs(600);

fn wanted(count: usize, lease: Duration) -> Reservation {
    Reservation { end: End::Left, count, lease, wait: Duration::ZERO, deliveries: None }
}

async fn reserve(store: &DiskStore, wanted: Reservation) -> Option<Reserved> {
    store.reserve(&Context::default(), namespace(), key("l"), wanted).await.unwrap()
}

async fn release(store: &DiskStore, lease: &Bytes) -> Option<u64> {
    store.release(&Context::default(), namespace(), key("l"), lease.clone()).await.unwrap()
}

async fn ack(store: &DiskStore, lease: &Bytes) -> Option<u64> {
    store.ack(&Context::default(), namespace(), key("l"), lease.clone()).await.unwrap()
}

async fn filled(store: &DiskStore, values: &str) {
    for value in values.chars() {
        push(store, "l", End::Right, &value.to_string()).await;
    }
}

fn text(reserved: &Reserved) -> String {
    let value = |value: &prism_plugin::list::ReservedValue| {
        format!("{}{}", std::str::from_utf8(&value.value).unwrap(), value.deliveries)
    };
    reserved.values.iter().map(value).collect()
}

/// All values of a list, from left to right.
async fn drained(store: &DiskStore, list: &str) -> String {
    let mut values = Vec::new();
    while let Some(value) = pop(store, list, End::Left).await {
        values.extend_from_slice(&value);
    }
    String::from_utf8(values).unwrap()
}

#[tokio::test]
async fn leases_and_deliveries_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    filled(&store, "abcd").await;
    let first = reserve(&store, wanted(1, LONG)).await.unwrap();
    let second = reserve(&store, wanted(2, LONG)).await.unwrap();
    assert_eq!((&*text(&first), &*text(&second)), ("a1", "b1c1"));
    drop(store);
    let store = open(folder.path());
    let report = store.verify().unwrap();
    assert_eq!((report.list_values, report.reserved_values), (1, 3));
    assert_eq!(release(&store, &first.lease).await, Some(1));
    assert_eq!(ack(&store, &first.lease).await, None);
    drop(store);
    let store = open(folder.path());
    let again = reserve(&store, wanted(2, LONG)).await.unwrap();
    assert_eq!(text(&again), "a2d1");
    assert_ne!(again.lease, first.lease);
    assert_eq!(ack(&store, &second.lease).await, Some(2));
    assert_eq!(ack(&store, &again.lease).await, Some(2));
    let report = store.verify().unwrap();
    assert_eq!((report.lists, report.list_values, report.reserved_values), (0, 0, 0));
}

#[tokio::test]
async fn a_lease_that_ended_while_the_process_was_down_has_returned_its_values() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    filled(&store, "abc").await;
    let short = Duration::from_millis(1);
    reserve(&store, wanted(2, short)).await.unwrap();
    let ended = Instant::now() + Duration::from_secs(1);
    drop(store);
    while Instant::now() < ended {
        std::thread::yield_now();
    }
    let store = open(folder.path());
    assert_eq!(store.length(&Context::default(), namespace(), key("l")).await.unwrap(), 3);
    assert_eq!(text(&reserve(&store, wanted(3, LONG)).await.unwrap()), "a2b2c1");
    store.verify().unwrap();
}

#[tokio::test]
async fn deliveries_follow_their_values_through_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let context = Context::default();
    filled(&store, "xaxbcdxe").await;
    let all = reserve(&store, wanted(5, LONG)).await.unwrap();
    release(&store, &all.lease).await;
    assert_eq!(store.remove(&context, namespace(), key("l"), "x".into(), 0).await.unwrap(), 3);
    store.verify().unwrap();
    assert!(store.set_at(&context, namespace(), key("l"), 1, "B".into()).await.unwrap());
    store.verify().unwrap();
    let all = reserve(&store, wanted(9, LONG)).await.unwrap();
    assert_eq!(text(&all), "a2B1c2d1e1");
    release(&store, &all.lease).await;
    assert_eq!(store.trim(&context, namespace(), key("l"), 1, 2).await.unwrap(), 2);
    store.verify().unwrap();
    assert_eq!(pop(&store, "l", End::Left).await.unwrap(), "B");
    push(&store, "l", End::Left, "n").await;
    assert_eq!(text(&reserve(&store, wanted(9, LONG)).await.unwrap()), "n1c3");
    store.verify().unwrap();
}

#[tokio::test]
async fn what_was_delivered_too_often_moves_in_the_same_step() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    filled(&store, "abc").await;
    let limit = |max| Some(DeliveryLimit { max, dead_letter: key("dead") });
    let once = reserve(&store, Reservation { deliveries: limit(1), ..wanted(1, LONG) }).await.unwrap();
    assert_eq!(release(&store, &once.lease).await, Some(1));
    let both = reserve(&store, wanted(2, LONG)).await.unwrap();
    assert_eq!(release(&store, &both.lease).await, Some(2));
    assert_eq!(reserve(&store, Reservation { deliveries: limit(1), ..wanted(2, LONG) }).await, None);
    assert_eq!(
        (drained(&store, "dead").await, drained(&store, "l").await),
        ("abc".to_owned(), String::new())
    );
    store.verify().unwrap();
}

#[tokio::test]
async fn clear_ends_the_leases_of_its_list_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let context = Context::default();
    filled(&store, "ab").await;
    let cleared = reserve(&store, wanted(1, LONG)).await.unwrap();
    push(&store, "l2", End::Left, "z").await;
    let other = store.reserve(&context, namespace(), key("l2"), wanted(1, LONG)).await.unwrap().unwrap();
    assert_eq!(store.clear(&context, namespace(), key("l")).await.unwrap(), 1);
    assert_eq!(release(&store, &cleared.lease).await, None);
    assert_eq!(release(&store, &other.lease).await, None, "it is of another list");
    let mut guessed = other.lease.to_vec();
    guessed[15] ^= 1;
    let named = |lease| store.ack(&context, namespace(), key("l2"), lease);
    assert_eq!(named(guessed.into()).await.unwrap(), None);
    assert_eq!(named(other.lease).await.unwrap(), Some(1));
    store.verify().unwrap();
}

#[tokio::test]
async fn a_waiter_that_has_gone_leaves_no_delivery_and_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let attempt = || {
        let key = IdempotencyKey { client: 1, seq: 1, acked: 0 };
        let attempt = Attempt::new(key, None, "test".to_owned(), "/a.B/Reserve", [0; 32]);
        attempt
            .answers(|reserved: &Option<Reserved>| reserved.as_ref().map(|reserved| reserved.lease.clone()));
        Arc::new(attempt)
    };
    let context = Context::default().attempting(attempt());
    let waiting = Reservation { wait: LONG, ..wanted(1, LONG) };
    let mut waiter = Box::pin(store.reserve(&context, namespace(), key("l"), waiting.clone()));
    assert!(futures_util::poll!(waiter.as_mut()).is_pending());
    filled(&store, "a").await;
    drop(waiter);
    assert_eq!(store.recall(&attempt()).await.unwrap(), None);
    let reserved = store.reserve(&context, namespace(), key("l"), waiting).await.unwrap().unwrap();
    assert_eq!(text(&reserved), "a1");
    assert!(store.recall(&attempt()).await.unwrap().is_some());
    let report = store.verify().unwrap();
    assert_eq!((report.answers, report.reserved_values, report.list_values), (1, 1, 0));
}
