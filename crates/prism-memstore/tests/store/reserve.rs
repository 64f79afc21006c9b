//! Values under leases.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use prism_memstore::MemStore;
use prism_plugin::list::{
    DeliveryLimit, End, ListBlocking as _, ListRange as _, ListReserve as _, ListScan as _, Reservation,
    Reserved,
};
use prism_plugin::types::Namespace;
use prism_plugin::{Context, ErrorReason, List as _};

use super::key;

const LEASE: Duration = Duration::from_secs(10);

fn namespace() -> Namespace {
    Namespace::new("queues".to_owned()).unwrap()
}

fn wanted(count: usize) -> Reservation {
    Reservation { end: End::Left, count, lease: LEASE, wait: Duration::ZERO, deliveries: None }
}

fn giving_up_after(max: u32, count: usize) -> Reservation {
    let deliveries = Some(DeliveryLimit { max, dead_letter: key("dead") });
    Reservation { deliveries, ..wanted(count) }
}

async fn push(store: &MemStore, list: &str, values: &str) {
    for value in values.chars() {
        let value = value.to_string().into();
        store.push(&Context::default(), namespace(), key(list), End::Right, value).await.unwrap();
    }
}

async fn reserve(store: &MemStore, wanted: Reservation) -> Option<Reserved> {
    store.reserve(&Context::default(), namespace(), key("l"), wanted).await.unwrap()
}

async fn ack(store: &MemStore, lease: &Bytes) -> Option<u64> {
    store.ack(&Context::default(), namespace(), key("l"), lease.clone()).await.unwrap()
}

async fn release(store: &MemStore, lease: &Bytes) -> Option<u64> {
    store.release(&Context::default(), namespace(), key("l"), lease.clone()).await.unwrap()
}

async fn length(store: &MemStore, list: &str) -> u64 {
    store.length(&Context::default(), namespace(), key(list)).await.unwrap()
}

/// Pops all values from the left.
async fn drain(store: &MemStore, list: &str) -> String {
    let mut values = Vec::new();
    while let Some(value) = store.pop(&Context::default(), namespace(), key(list), End::Left).await.unwrap() {
        values.extend_from_slice(&value);
    }
    String::from_utf8(values).unwrap()
}

fn text(reserved: &Reserved) -> String {
    reserved.values.iter().map(|value| str::from_utf8(&value.value).unwrap()).collect()
}

fn deliveries(reserved: &Reserved) -> Vec<u32> {
    reserved.values.iter().map(|value| value.deliveries).collect()
}

async fn pass(duration: Duration) {
    tokio::time::advance(duration).await;
}

#[tokio::test(start_paused = true)]
async fn leases_that_end_together_return_their_values_in_their_first_order() {
    let store = MemStore::new(None);
    push(&store, "l", "abcdef").await;
    let first = reserve(&store, wanted(2)).await.unwrap();
    let second = reserve(&store, wanted(2)).await.unwrap();
    let right = reserve(&store, Reservation { end: End::Right, ..wanted(1) }).await.unwrap();
    assert_eq!((text(&first), text(&second), text(&right)), ("ab".into(), "cd".into(), "f".into()));
    assert_eq!(length(&store, "l").await, 1);
    pass(LEASE - Duration::from_nanos(1)).await;
    assert_eq!(length(&store, "l").await, 1);
    pass(Duration::from_nanos(1)).await;
    assert_eq!(length(&store, "l").await, 6);
    assert_eq!(ack(&store, &first.lease).await, None);
    let again = reserve(&store, wanted(6)).await.unwrap();
    assert_eq!((text(&again), deliveries(&again)), ("abcdef".into(), vec![2, 2, 2, 2, 1, 2]));
    assert_eq!(ack(&store, &again.lease).await, Some(6));
    assert_eq!(ack(&store, &again.lease).await, None);
    assert_eq!(store.totals().bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn each_call_on_a_list_first_returns_what_leases_that_have_ended_had() {
    let context = Context::default();
    let list = || (context.clone(), namespace(), key("l"));
    for call in 0..9 {
        let store = MemStore::new(None);
        push(&store, "l", "ab").await;
        let reserved = reserve(&store, wanted(2)).await.unwrap();
        pass(LEASE).await;
        let (context, namespace, key) = list();
        let expected = match call {
            0 => store.push(&context, namespace, key, End::Left, "x".into()).await.map(|len| (len, "xab")),
            1 => store.pop(&context, namespace, key, End::Right).await.map(|b| (b.unwrap()[0].into(), "a")),
            2 => store.length(&context, namespace, key).await.map(|len| (len, "ab")),
            3 => store.trim(&context, namespace, key, 1, 1).await.map(|len| (len, "b")),
            4 => store.clear(&context, namespace, key).await.map(|removed| (removed, "")),
            5 => store
                .release(&context, namespace, key, reserved.lease)
                .await
                .map(|b| (b.is_none().into(), "ab")),
            6 => {
                store.extend(&context, namespace, key, reserved.lease, LEASE).await.map(|b| (b.into(), "ab"))
            }
            7 => {
                let popped = store.blocking_pop(&context, namespace, key, End::Left, LEASE).await;
                popped.map(|value| (value.unwrap()[0].into(), "b"))
            }
            _ => Ok((reserve(&store, wanted(2)).await.unwrap().values.len() as u64, "")),
        };
        let results = [3, b'b'.into(), 2, 1, 2, 1, 0, b'a'.into(), 2];
        let (result, left) = expected.unwrap();
        assert_eq!((result, drain(&store, "l").await.as_str()), (results[call], left), "call {call}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_sweep_returns_values_within_a_second_and_wakes_waiters() {
    let store = MemStore::new(None);
    tokio::spawn(store.expiry().run(std::future::pending::<()>()));
    for _ in 0..2 {
        push(&store, "l", "a").await;
        reserve(&store, wanted(1)).await.unwrap();
        let begun = tokio::time::Instant::now();
        let wait = Reservation { wait: 2 * LEASE, ..wanted(1) };
        let reserved = reserve(&store, wait).await.unwrap();
        assert_eq!(deliveries(&reserved), [2]);
        assert!(begun.elapsed() <= LEASE + Duration::from_secs(1), "{:?}", begun.elapsed());
        assert_eq!(ack(&store, &reserved.lease).await, Some(1));
        // The sweep rests while there are no leases.
        tokio::time::sleep(10 * LEASE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn reserving_waiters_and_popping_ones_are_one_queue() {
    let store = MemStore::new(None);
    let wait = Duration::from_secs(60);
    let mut first = Box::pin(reserve(&store, Reservation { wait, ..wanted(2) }));
    assert!(futures_util::poll!(first.as_mut()).is_pending());
    let context = Context::default();
    let mut second = Box::pin(store.blocking_pop(&context, namespace(), key("l"), End::Left, wait));
    assert!(futures_util::poll!(second.as_mut()).is_pending());
    push(&store, "l", "ab").await;
    assert_eq!(text(&first.await.unwrap()), "a");
    assert_eq!(second.await.unwrap().unwrap(), "b");
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_goes_after_it_was_served_was_no_delivery() {
    let store = MemStore::new(Some(1 << 20));
    let wait = Duration::from_secs(60);
    let mut waiter = Box::pin(reserve(&store, Reservation { wait, ..giving_up_after(1, 1) }));
    assert!(futures_util::poll!(waiter.as_mut()).is_pending());
    push(&store, "l", "a").await;
    assert_eq!(length(&store, "l").await, 0);
    store.set_memory_limit(Some(1));
    drop(waiter);
    assert_eq!((length(&store, "l").await, length(&store, "dead").await), (1, 0));
    store.set_memory_limit(None);
    assert_eq!(deliveries(&reserve(&store, wanted(1)).await.unwrap()), [1]);
}

#[tokio::test(start_paused = true)]
async fn clear_leaves_nothing_to_return() {
    let store = MemStore::new(None);
    push(&store, "l", "abc").await;
    let all = reserve(&store, wanted(3)).await.unwrap();
    let clear = async || store.clear(&Context::default(), namespace(), key("l")).await;
    assert_eq!(clear().await.unwrap(), 0, "reserved values do not count");
    assert_eq!(ack(&store, &all.lease).await, None);
    pass(LEASE).await;
    assert_eq!((length(&store, "l").await, store.totals().bytes), (0, 0));
    push(&store, "l", "abc").await;
    reserve(&store, wanted(1)).await.unwrap();
    assert_eq!(clear().await.unwrap(), 2);
    assert_eq!((store.totals().bytes, store.totals().namespaces), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_value_that_was_delivered_often_moves_to_the_dead_letter_list() {
    let store = MemStore::new(None);
    push(&store, "dead", "x").await;
    push(&store, "l", "abc").await;
    let both = reserve(&store, wanted(2)).await.unwrap();
    assert_eq!(release(&store, &both.lease).await, Some(2));
    // It is the second delivery of two and the first of one.
    let all = reserve(&store, giving_up_after(2, 3)).await.unwrap();
    assert_eq!(deliveries(&all), [2, 2, 1]);
    assert_eq!(release(&store, &all.lease).await, Some(3));
    assert_eq!((drain(&store, "l").await, drain(&store, "dead").await), ("c".into(), "xab".into()));
    // Values that were delivered before a limit was asked for.
    push(&store, "l", "abc").await;
    let both = reserve(&store, wanted(2)).await.unwrap();
    release(&store, &both.lease).await.unwrap();
    let rest = reserve(&store, giving_up_after(1, 3)).await.unwrap();
    assert_eq!((text(&rest), deliveries(&rest)), ("c".into(), vec![1]));
    pass(LEASE).await;
    assert_eq!((length(&store, "l").await, drain(&store, "dead").await), (0, "abc".into()));
    assert_eq!(store.totals().bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn lists_that_are_the_dead_letter_lists_of_each_other_come_to_rest() {
    let store = MemStore::new(None);
    let wait = Duration::from_secs(60);
    push(&store, "l", "a").await;
    let lease = reserve(&store, wanted(1)).await.unwrap().lease;
    let back =
        Reservation { wait, deliveries: Some(DeliveryLimit { max: 1, dead_letter: key("l") }), ..wanted(1) };
    let context = Context::default();
    let mut there = Box::pin(reserve(&store, Reservation { wait, ..giving_up_after(1, 1) }));
    let mut here = Box::pin(store.reserve(&context, namespace(), key("dead"), back));
    assert!(futures_util::poll!(there.as_mut()).is_pending());
    assert!(futures_util::poll!(here.as_mut()).is_pending());
    assert_eq!(release(&store, &lease).await, Some(1));
    // It has moved once, and is delivered there for the first time.
    let reserved = here.await.unwrap().unwrap();
    assert_eq!((text(&reserved), deliveries(&reserved)), ("a".into(), vec![1]));
    drop(there);
}

/// The waiter is dropped after the value was handed to it and before it has looked.
#[tokio::test(start_paused = true)]
async fn a_value_that_returns_from_a_pop_that_waited_keeps_its_count() {
    let store = MemStore::new(None);
    push(&store, "l", "a").await;
    let lease = reserve(&store, wanted(1)).await.unwrap().lease;
    let context = Context::default();
    let mut waiter = Box::pin(store.blocking_pop(&context, namespace(), key("l"), End::Left, LEASE));
    assert!(futures_util::poll!(waiter.as_mut()).is_pending());
    assert_eq!((release(&store, &lease).await, length(&store, "l").await), (Some(1), 0));
    drop(waiter);
    assert_eq!(deliveries(&reserve(&store, wanted(1)).await.unwrap()), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_belongs_to_its_list_and_cannot_be_guessed() {
    let store = MemStore::new(None);
    push(&store, "l", "a").await;
    let lease = reserve(&store, wanted(1)).await.unwrap().lease;
    let elsewhere = store.ack(&Context::default(), namespace(), key("other"), lease.clone()).await.unwrap();
    assert_eq!(elsewhere, None);
    let mut guessed = lease.to_vec();
    guessed[15] ^= 1;
    for wrong in [guessed.into(), Bytes::new(), lease.slice(..15)] {
        assert_eq!(ack(&store, &wrong).await, None);
    }
    assert_eq!(ack(&store, &lease).await, Some(1));
}

#[tokio::test]
async fn leases_count_for_the_limit_and_a_full_queue_can_be_emptied() {
    let store = MemStore::new(Some(100_000));
    let value = || Bytes::from_static(&[0; 40]);
    let mut pushed = 0;
    while store.push(&Context::default(), namespace(), key("l"), End::Right, value()).await.is_ok() {
        pushed += 1;
    }
    let mut acked = 0;
    while let Some(reserved) = reserve(&store, wanted(10)).await {
        assert!(store.totals().bytes <= 100_000 + 100_000 / 16);
        acked += ack(&store, &reserved.lease).await.unwrap();
    }
    assert_eq!((acked, store.totals().bytes), (pushed, 0));
    // Without acknowledgements the headroom is used up in the end, and nothing is lost by it.
    while store.push(&Context::default(), namespace(), key("l"), End::Right, value()).await.is_ok() {}
    let mut leases = Vec::new();
    let error = loop {
        match store.reserve(&Context::default(), namespace(), key("l"), wanted(1)).await {
            Ok(reserved) => leases.push(reserved.unwrap().lease),
            Err(error) => break error,
        }
    };
    assert_eq!(error.reason, ErrorReason::MemoryLimit);
    assert_eq!(length(&store, "l").await + leases.len() as u64, pushed);
    for lease in leases {
        assert_eq!(release(&store, &lease).await, Some(1));
    }
    assert_eq!(length(&store, "l").await, pushed);
}

#[tokio::test(start_paused = true)]
async fn lists_of_reserved_values_are_not_listed() {
    let store = MemStore::new(None);
    let count = async || store.count_lists(&Context::default(), namespace(), String::new()).await;
    push(&store, "l", "ab").await;
    let lease = reserve(&store, wanted(2)).await.unwrap().lease;
    assert_eq!((count().await.unwrap(), store.totals().lists), (0, 0));
    release(&store, &lease).await.unwrap();
    assert_eq!(count().await.unwrap(), 1);
}

/// Workers that die, give up, and acknowledge; every value is acknowledged once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_value_is_acknowledged_once_whatever_workers_do() {
    const VALUES: u32 = 2000;
    let store = MemStore::new(None);
    for number in 0..VALUES {
        let value = number.to_be_bytes().to_vec().into();
        store.push(&Context::default(), namespace(), key("l"), End::Right, value).await.unwrap();
    }
    let worker = |seed| {
        let store = store.clone();
        async move {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut acked = Vec::new();
            loop {
                let lease = Duration::from_millis(random.u64(1..5));
                let wanted = Reservation { lease, ..wanted(random.usize(1..8)) };
                let Some(reserved) = reserve(&store, wanted).await else {
                    if length(&store, "l").await == 0 {
                        return acked;
                    }
                    continue;
                };
                match random.u8(..4) {
                    0 => drop(release(&store, &reserved.lease).await),
                    1 => tokio::time::sleep(lease).await,
                    _ => {
                        if ack(&store, &reserved.lease).await.is_some() {
                            acked.extend(reserved.values.into_iter().map(|value| value.value));
                        }
                    }
                }
            }
        }
    };
    let mut acked = Vec::new();
    // Those who find the list empty may be gone before others give up.
    while acked.len() < VALUES as usize {
        let workers: Vec<_> = (0..8).map(|seed| tokio::spawn(worker(seed))).collect();
        for worker in workers {
            acked.extend(worker.await.unwrap());
        }
    }
    assert_eq!(acked.len(), VALUES as usize, "none twice");
    assert_eq!(acked.into_iter().collect::<BTreeSet<_>>().len(), VALUES as usize);
    assert_eq!(store.totals().bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn dead_letter_lists_may_follow_each_other_without_end() {
    const LISTS: usize = 20_000;
    let (store, context) = (MemStore::new(None), Context::default());
    for list in 0..LISTS {
        let (name, next) = (format!("l{list}"), format!("l{}", list + 1));
        push(&store, &name, "v").await;
        let deliveries = Some(DeliveryLimit { max: 1, dead_letter: key(&next) });
        let reservation = Reservation { deliveries, ..wanted(1) };
        store.reserve(&context, namespace(), key(&name), reservation).await.unwrap().unwrap();
    }
    pass(LEASE).await;
    // All leases have ended, and each value belongs to the next list.
    assert_eq!(length(&store, "l0").await, 0);
    assert_eq!(length(&store, &format!("l{LISTS}")).await, 1);
    assert_eq!(store.count_lists(&context, namespace(), String::new()).await.unwrap(), LISTS as u64);
}
