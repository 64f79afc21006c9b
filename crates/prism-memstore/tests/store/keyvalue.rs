use super::*;

#[tokio::test]
async fn a_value_comes_back_as_it_was_set() {
    let store = Store::new();
    for size in [0, 1, 100, 1023, 1024, 4 << 20] {
        let value: Vec<u8> = (0..size).map(|i: usize| i as u8).collect();
        store.set("k", &value, None).await;
        assert_eq!(store.get("k").await.unwrap(), value);
    }
}

#[tokio::test]
async fn a_missing_key_is_an_answer() {
    let store = Store::new();
    assert_eq!(store.get("k").await, None);
    assert!(!store.exists("k").await);
    assert!(!store.delete("k").await);
    assert_eq!(store.count("").await, 0);
    assert_eq!(store.scan("").await, [""; 0]);
}

#[tokio::test]
async fn delete_says_whether_a_key_was_there() {
    let store = Store::new();
    store.set("k", "v", None).await;
    assert!(store.exists("k").await);
    assert!(store.delete("k").await);
    assert!(!store.delete("k").await);
    assert_eq!(store.get("k").await, None);
}

#[tokio::test]
async fn a_value_that_is_still_read_survives_its_key() {
    let store = Store::new();
    store.set("k", [1; 10_000], None).await;
    let value = store.get("k").await.unwrap();
    store.set("k", [2; 10_000], None).await;
    store.delete("k").await;
    assert_eq!(value, [1; 10_000][..]);
    assert_eq!(store.bytes(), 0);
}

#[tokio::test]
async fn a_value_does_not_hold_the_buffer_it_came_in() {
    let store = MemStore::new(None);
    let buffer = Bytes::from(vec![1; 1 << 20]);
    store.set(&Context::default(), namespace(""), key("k"), buffer.slice(..10_000), None).await.unwrap();
    store
        .push(&Context::default(), namespace(""), key("l"), End::Left, buffer.slice(..10_000))
        .await
        .unwrap();
    assert!(buffer.is_unique());
}

#[tokio::test]
async fn memory_returns_to_nothing_when_everything_is_deleted() {
    let store = Store::new();
    for round in 0..2 {
        for i in 0..5000 {
            store.set(&format!("key-{i}"), vec![round; i], (i % 2 == 0).then_some(60)).await;
        }
        assert!(store.bytes() > 5000 * 2500);
        for i in 0..5000 {
            assert!(store.delete(&format!("key-{i}")).await);
        }
        let usage = store.store.totals();
        assert_eq!((usage.keys, usage.namespaces, usage.bytes, usage.timers), (0, 0, 0, 0));
    }
}

#[tokio::test]
async fn most_keys_deleted_gives_most_memory_back() {
    let store = Store::new();
    for i in 0..100_000 {
        store.set(&format!("key-{i}"), "", None).await;
    }
    let full = store.bytes();
    for i in 100..100_000 {
        store.delete(&format!("key-{i}")).await;
    }
    assert!(store.bytes() < full / 50, "{} of {full} bytes are left for 100 keys", store.bytes());
    assert_eq!(store.scan("").await.len(), 100);
}
