//! Lists that are replaced as a whole, and what that takes.

use prism_plugin::list::{ListBlocking as _, ListReserve as _, Reservation};
use prism_plugin::transfer::{IfExists, Transfer as _};

use super::*;

async fn try_put(store: &Store, list: &str, values: &[Bytes], if_exists: IfExists) -> Result<bool, Error> {
    let (context, namespace) = (Context::default(), store.namespace.clone());
    store.store.put_list(&context, namespace, key(list), values.to_vec(), if_exists).await
}

fn numbers(count: u64) -> Vec<Bytes> {
    (0..count).map(|n| n.to_string().into()).collect()
}

/// Lets what frees values work until the store takes so many bytes.
async fn comes_to(store: &Store, bytes: u64) {
    for _ in 0..100_000 {
        if store.bytes() == bytes {
            return;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(store.bytes(), bytes);
}

#[tokio::test]
async fn a_list_that_is_replaced_takes_what_a_new_one_takes() {
    for count in [1, 3, 300, 10_000] {
        let (new, replaced) = (Store::new(), Store::new());
        replaced.push("l", End::Left, [0; 1000]).await;
        for values in [&numbers(7)[..], &numbers(9000), &numbers(count)] {
            assert_eq!(try_put(&replaced, "l", values, IfExists::Overwrite).await, Ok(true));
        }
        assert_eq!(try_put(&new, "l", &numbers(count), IfExists::Keep).await, Ok(true));
        assert_eq!(try_put(&replaced, "l", &numbers(2), IfExists::Keep).await, Ok(false));
        assert_eq!(replaced.length("l").await, count);
        // The values of before are freed some at a time.
        comes_to(&replaced, new.bytes()).await;
        for store in [new, replaced] {
            assert_eq!(try_put(&store, "l", &[], IfExists::Overwrite).await, Ok(true));
            comes_to(&store, 0).await;
        }
    }
}

#[tokio::test]
async fn a_list_for_which_there_is_no_room_stays_as_it_was() {
    let store = Store::with_limit(Some(100_000));
    assert_eq!(try_put(&store, "l", &numbers(5), IfExists::Overwrite).await, Ok(true));
    let before = store.store.totals();
    for list in ["l", "new"] {
        assert_full(try_put(&store, list, &numbers(100_000), IfExists::Overwrite).await);
        assert_full(try_put(&store.namespace("other"), list, &numbers(100_000), IfExists::Keep).await);
    }
    assert_eq!(store.store.totals(), before);
    assert_eq!(store.pop("l", End::Left).await.unwrap(), "0");
}

#[tokio::test]
async fn a_list_that_is_replaced_loses_its_leases_and_serves_who_waits() {
    let store = Store::new();
    store.push("l", End::Left, "reserved").await;
    let context = Context::default();
    let lease = Duration::from_secs(60);
    let wanted = Reservation { end: End::Left, count: 1, lease, wait: Duration::ZERO, deliveries: None };
    let reserved = store.store.reserve(&context, store.namespace.clone(), key("l"), wanted).await;
    let token = reserved.unwrap().unwrap().lease;
    let waiting = store.clone();
    let waiting = tokio::spawn(async move {
        let (context, namespace) = (Context::default(), waiting.namespace.clone());
        waiting.store.blocking_pop(&context, namespace, key("l"), End::Left, lease).await
    });
    tokio::task::yield_now().await;
    assert_eq!(try_put(&store, "l", &numbers(2), IfExists::Overwrite).await, Ok(true));
    assert_eq!(waiting.await.unwrap(), Ok(Some("0".into())));
    let released = store.store.release(&context, store.namespace.clone(), key("l"), token).await;
    assert_eq!(released, Ok(None), "there is no such lease any more");
    assert_eq!(store.length("l").await, 1);
}
