//! Pops that wait.

use std::time::Duration;

use bytes::Bytes;
use prism_memstore::MemStore;
use prism_plugin::list::{End, ListBlocking as _, ListScan as _};
use prism_plugin::types::Namespace;
use prism_plugin::{Context, List};

use super::key;

const WAIT: Duration = Duration::from_secs(60);

fn namespace() -> Namespace {
    Namespace::new("waiters".to_owned()).unwrap()
}

async fn push(store: &MemStore, value: &'static [u8]) -> u64 {
    let value = Bytes::from_static(value);
    List::push(store, &Context::default(), namespace(), key("l"), End::Right, value).await.unwrap()
}

async fn pop(store: MemStore, end: End, wait: Duration) -> Option<Bytes> {
    store.blocking_pop(&Context::default(), namespace(), key("l"), end, wait).await.unwrap()
}

async fn length(store: &MemStore) -> u64 {
    store.length(&Context::default(), namespace(), key("l")).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn waiters_are_served_in_the_order_in_which_they_came() {
    let store = MemStore::new(None);
    let mut waiters = Vec::new();
    for _ in 0..10 {
        waiters.push(tokio::spawn(pop(store.clone(), End::Left, WAIT)));
        tokio::task::yield_now().await;
    }
    for value in [b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9"] {
        push(&store, value).await;
    }
    for (number, waiter) in waiters.into_iter().enumerate() {
        assert_eq!(waiter.await.unwrap().unwrap(), number.to_string());
    }
    assert_eq!(length(&store).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_without_a_value() {
    let store = MemStore::new(None);
    let begun = tokio::time::Instant::now();
    assert_eq!(pop(store.clone(), End::Left, WAIT).await, None);
    assert_eq!(begun.elapsed(), WAIT);
    // Whoever has gone takes nothing.
    assert_eq!(push(&store, b"v").await, 1);
    assert_eq!(length(&store).await, 1);
}

/// The waiter is dropped after the value was handed to it and before it has looked.
#[tokio::test(start_paused = true)]
async fn a_value_whose_waiter_has_gone_returns_to_its_end() {
    let store = MemStore::new(None);
    for (end, expected) in [(End::Left, "abc"), (End::Right, "abc")] {
        let mut waiter = Box::pin(pop(store.clone(), end, WAIT));
        assert!(futures_util::poll!(waiter.as_mut()).is_pending());
        push(&store, b"b").await;
        // The value is on its way.
        assert_eq!(length(&store).await, 0);
        drop(waiter);
        assert_eq!(length(&store).await, 1);
        let list = || (namespace(), key("l"));
        let context = Context::default();
        store.push(&context, list().0, list().1, End::Left, "a".into()).await.unwrap();
        store.push(&context, list().0, list().1, End::Right, "c".into()).await.unwrap();
        let mut values = Vec::new();
        while let Some(value) = store.pop(&context, list().0, list().1, End::Left).await.unwrap() {
            values.extend_from_slice(&value);
        }
        assert_eq!(values, expected.as_bytes());
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_returns_even_if_the_store_is_full_and_serves_the_next_waiter() {
    let store = MemStore::new(Some(1 << 20));
    let mut first = Box::pin(pop(store.clone(), End::Left, WAIT));
    assert!(futures_util::poll!(first.as_mut()).is_pending());
    push(&store, b"v").await;
    store.set_memory_limit(Some(1));
    drop(first);
    assert_eq!(length(&store).await, 1);
    assert_eq!(pop(store.clone(), End::Left, WAIT).await.unwrap(), "v");
    assert_eq!(store.totals().bytes, 0);
}

#[tokio::test]
async fn nothing_is_lost_or_delivered_twice_while_waiters_come_and_go() {
    const VALUES: usize = 2000;
    let store = MemStore::new(None);
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut got = Vec::new();
                let mut random = fastrand::Rng::with_seed(7);
                // Some waits are cut off at whatever point they have reached.
                for _ in 0..10 * VALUES {
                    let waiter = pop(store.clone(), End::Left, Duration::from_millis(50));
                    let cut = Duration::from_micros(random.u64(..300));
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
    let context = Context::default();
    for number in 0..VALUES {
        let value = number.to_string().into();
        store.push(&context, namespace(), key("l"), End::Right, value).await.unwrap();
        if number % 7 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let mut got = Vec::new();
    for worker in workers {
        got.append(&mut worker.await.unwrap());
    }
    while let Some(value) = store.pop(&context, namespace(), key("l"), End::Left).await.unwrap() {
        got.push(value);
    }
    let mut numbers: Vec<usize> =
        got.iter().map(|value| std::str::from_utf8(value).unwrap().parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..VALUES).collect::<Vec<_>>());
    assert_eq!(store.count_lists(&context, namespace(), String::new()).await.unwrap(), 0);
    assert_eq!(store.totals().bytes, 0);
}
