//! Lists beyond pushes and pops: waiters, and values within.

use std::time::Duration;

use bytes::Bytes;
use prism_diskstore::DiskStore;
use prism_plugin::Context;
use prism_plugin::list::{
    End, List as _, ListBatch as _, ListBlocking as _, ListIndexing as _, ListScan as _,
};

use crate::support::{key, namespace, open, pop, push};

const WAIT: Duration = Duration::from_secs(60);

async fn wait(store: DiskStore, end: End, wait: Duration) -> Option<Bytes> {
    store.blocking_pop(&Context::default(), namespace(), key("l"), end, wait).await.unwrap()
}

async fn length(store: &DiskStore) -> u64 {
    store.length(&Context::default(), namespace(), key("l")).await.unwrap()
}

/// All values, from left to right.
async fn drained(store: &DiskStore) -> String {
    let mut values = Vec::new();
    while let Some(value) = pop(store, "l", End::Left).await {
        values.extend_from_slice(&value);
    }
    String::from_utf8(values).unwrap()
}

#[tokio::test]
async fn waiters_are_served_in_the_order_in_which_they_came() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut waiters = Vec::new();
    for _ in 0..10 {
        let mut waiter = Box::pin(wait(store.clone(), End::Left, WAIT));
        // It has its number before anybody else comes.
        assert!(futures_util::poll!(waiter.as_mut()).is_pending());
        waiters.push(waiter);
    }
    for value in 0..10 {
        push(&store, "l", End::Right, &value.to_string()).await;
    }
    for (number, waiter) in waiters.into_iter().enumerate() {
        assert_eq!(waiter.await.unwrap(), number.to_string());
    }
    assert_eq!((length(&store).await, wait(store.clone(), End::Left, Duration::ZERO).await), (0, None));
    push(&store, "l", End::Left, "v").await;
    assert_eq!(wait(store.clone(), End::Right, Duration::ZERO).await.unwrap(), "v");
}

#[tokio::test]
async fn a_value_whose_waiter_has_gone_returns_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for end in [End::Left, End::Right] {
        let mut waiter = Box::pin(wait(store.clone(), end, WAIT));
        assert!(futures_util::poll!(waiter.as_mut()).is_pending());
        push(&store, "l", End::Right, "b").await;
        drop(waiter);
        for (end, value) in [(End::Left, "a"), (End::Right, "c")] {
            push(&store, "l", end, value).await;
        }
        assert_eq!(drained(&store).await, "abc");
    }
    // Whoever has gone before takes nothing, and whoever waits behind is served.
    let mut first = Box::pin(wait(store.clone(), End::Left, WAIT));
    assert!(futures_util::poll!(first.as_mut()).is_pending());
    let mut second = Box::pin(wait(store.clone(), End::Left, WAIT));
    assert!(futures_util::poll!(second.as_mut()).is_pending());
    push(&store, "l", End::Right, "v").await;
    drop(first);
    assert_eq!(second.await.unwrap(), "v");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_or_delivered_twice_while_waiters_come_and_go() {
    const VALUES: usize = 1000;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let workers: Vec<_> = (0..8)
        .map(|seed| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut got = Vec::new();
                let mut random = fastrand::Rng::with_seed(seed);
                // Some waits are cut off at whatever point they have reached.
                for _ in 0..10 * VALUES {
                    let waiter = wait(store.clone(), End::Left, Duration::from_millis(50));
                    let cut = Duration::from_micros(random.u64(..3000));
                    match tokio::time::timeout(cut, waiter).await {
                        Ok(Some(value)) => got.push(value),
                        Ok(None) => break,
                        Err(_) => {}
                    }
                }
                got
            })
        })
        .collect();
    for number in 0..VALUES {
        push(&store, "l", End::Right, &number.to_string()).await;
    }
    let mut got = Vec::new();
    for worker in workers {
        got.append(&mut worker.await.unwrap());
    }
    while let Some(value) = pop(&store, "l", End::Left).await {
        got.push(value);
    }
    let mut numbers: Vec<usize> =
        got.iter().map(|value| std::str::from_utf8(value).unwrap().parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..VALUES).collect::<Vec<_>>());
    assert_eq!(store.count_lists(&Context::default(), namespace(), String::new()).await.unwrap(), 0);
    store.verify().unwrap();
}

#[tokio::test]
async fn removed_values_leave_no_gap_whichever_side_is_shorter() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let context = Context::default();
    for (values, count, expected) in [
        ("xabcdef", 0, "abcdef"),
        ("abcdefx", 0, "abcdef"),
        ("axbxcdefgh", 0, "abcdefgh"),
        ("abcdefxgxh", 0, "abcdefgh"),
        ("xaxbxcx", 2, "abxcx"),
        ("xaxbxcx", -2, "xaxbc"),
        ("xxx", 0, ""),
        ("abc", 0, "abc"),
    ] {
        let all = values.chars().map(|value| Bytes::from(value.to_string())).collect();
        store.push_many(&context, namespace(), key("l"), End::Right, all, None).await.unwrap();
        let removed = store.remove(&context, namespace(), key("l"), "x".into(), count).await.unwrap();
        assert_eq!(removed as usize, values.len() - expected.len(), "{values}");
        store.verify().unwrap();
        assert_eq!(drained(&store).await, expected, "{values}");
    }
}
