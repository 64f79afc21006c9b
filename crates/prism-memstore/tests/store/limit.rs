use super::*;

/// A store full of keys of 100 bytes each, none of which expires, and their number.
async fn full() -> (Store, usize) {
    let store = Store::with_limit(Some(100_000));
    for i in 0.. {
        if store.try_set(&format!("key-{i}"), [0; 100], None).await.is_err() {
            return (store, i);
        }
    }
    unreachable!("the limit is reached")
}

#[tokio::test]
async fn the_limit_is_named_and_never_passed() {
    let (store, keys) = full().await;
    assert!(keys > 400 && store.bytes() <= 100_000);
    let error = assert_full(store.try_set("one more", [0; 100], None).await);
    assert_eq!(error.fact("limit"), Some("100000"));
    assert_full(store.try_push("list", End::Left, [0; 1000]).await);
    assert_full(store.namespace("other").try_set("k", [0; 1000], None).await);
    assert_full(store.namespace("other").try_push("l", End::Left, [0; 1000]).await);
    assert_eq!(store.store.totals().namespaces, 1, "a refused write leaves no namespace behind");
    assert_eq!(store.store.totals().lists, 0);
}

#[tokio::test]
async fn a_refused_write_changes_nothing() {
    let (store, mut keys) = full().await;
    // Until less room is left than making a key expire takes.
    while store.try_set(&format!("k{keys}"), "", None).await.is_ok() {
        keys += 1;
    }
    let before = store.store.totals();
    assert_full(store.try_set("key-0", [1; 10_000], None).await);
    assert_full(store.try_set("key-0", [1; 10_000], Some(10)).await);
    assert_full(store.try_set("key-0", [1; 100], Some(10)).await);
    assert_eq!(store.get("key-0").await.unwrap(), [0; 100][..]);
    assert_eq!(store.count("").await, keys as u64);
    assert_eq!(store.store.totals(), before);
}

#[tokio::test]
async fn at_the_limit_everything_but_growth_goes_on() {
    let (store, keys) = full().await;
    assert_eq!(store.get("key-1").await.unwrap(), [0; 100][..]);
    assert_eq!(store.scan("").await.len(), keys);
    store.set("key-1", [1; 100], None).await;
    store.set("key-1", "short", None).await;
    assert_eq!(store.get("key-1").await.unwrap(), "short");
    assert!(store.delete("key-1").await);
    store.set("key-1", [0; 100], None).await;
    assert_full(store.try_set("one more", [0; 100], None).await);
    assert_eq!(store.scan("").await.len(), keys, "nothing was evicted");
}

#[tokio::test]
async fn a_full_list_keeps_its_values_and_can_be_popped() {
    let store = Store::with_limit(Some(10_000));
    let mut length = 0;
    while let Ok(pushed) = store.try_push("l", End::Right, [length as u8; 100]).await {
        length = pushed;
    }
    assert_eq!(store.length("l").await, length);
    for i in 0..length {
        assert_eq!(store.pop("l", End::Left).await.unwrap(), [i as u8; 100][..]);
    }
    assert_eq!(store.bytes(), 0);
}

#[tokio::test]
async fn a_limit_of_nothing_takes_nothing() {
    let store = Store::with_limit(Some(0));
    assert_full(store.try_set("k", "v", None).await);
    assert_full(store.try_push("l", End::Left, "v").await);
    assert_eq!(store.bytes(), 0);
}

/// Neither the expiry task nor anything else has freed them.
#[tokio::test(start_paused = true)]
async fn expired_keys_make_room_for_a_write_that_needs_it() {
    let store = Store::with_limit(Some(300_000));
    let mut keys = 0;
    while store.try_set(&format!("key-{keys}"), [0; 100], Some(10)).await.is_ok() {
        keys += 1;
    }
    assert!(keys > 512, "more than one batch of timers");
    seconds(9).await;
    assert_full(store.try_set("new", [0; 100], None).await);
    seconds(1).await;
    store.set("new", [0; 100], None).await;
    assert_eq!(store.store.totals().keys, 1);
    seconds(1).await;
    store.push("list", End::Left, [0; 100]).await;
}
