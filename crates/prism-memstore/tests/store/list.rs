use super::*;

#[tokio::test]
async fn values_come_back_from_either_end() {
    let store = Store::new();
    assert_eq!(store.push("l", End::Right, "b").await, 1);
    assert_eq!(store.push("l", End::Right, "c").await, 2);
    assert_eq!(store.push("l", End::Left, "a").await, 3);
    assert_eq!(store.length("l").await, 3);
    assert_eq!(store.pop("l", End::Left).await.unwrap(), "a");
    assert_eq!(store.pop("l", End::Right).await.unwrap(), "c");
    assert_eq!(store.pop("l", End::Right).await.unwrap(), "b");
    assert_eq!(store.pop("l", End::Right).await, None);
}

#[tokio::test]
async fn an_emptied_list_is_gone_with_its_memory() {
    let store = Store::new();
    for value in [vec![], vec![1; 100], vec![1; 1 << 20]] {
        store.push("l", End::Left, &value).await;
        assert_eq!(store.store.totals().lists, 1);
        assert_eq!(store.pop("l", End::Right).await.unwrap(), value);
        let usage = store.store.totals();
        assert_eq!((usage.lists, usage.namespaces, usage.bytes), (0, 0, 0));
    }
}

#[tokio::test]
async fn reading_a_missing_list_makes_none() {
    let store = Store::new();
    assert_eq!(store.length("l").await, 0);
    assert_eq!(store.pop("l", End::Left).await, None);
    assert_eq!(store.store.totals().namespaces, 0);
    store.push("other", End::Left, "v").await;
    assert_eq!(store.length("l").await, 0);
    assert_eq!(store.pop("l", End::Left).await, None);
    assert_eq!(store.store.totals().lists, 1);
}

#[tokio::test]
async fn a_drained_list_gives_its_capacity_back() {
    let store = Store::new();
    for _ in 0..100_000 {
        store.push("l", End::Right, "v").await;
    }
    let full = store.bytes();
    for _ in 0..99_990 {
        store.pop("l", End::Left).await;
    }
    assert!(store.bytes() < full / 100, "{} of {full} bytes are left for 10 values", store.bytes());
    assert_eq!(store.length("l").await, 10);
}

#[tokio::test]
async fn lists_and_keys_do_not_see_each_other() {
    let store = Store::new();
    store.set("same", "key", None).await;
    store.push("same", End::Left, "list").await;
    assert_eq!(store.get("same").await.unwrap(), "key");
    assert_eq!(store.pop("same", End::Left).await.unwrap(), "list");
    assert_eq!(store.get("same").await.unwrap(), "key");
    assert_eq!(store.length("same").await, 0);
    store.push("list only", End::Left, "v").await;
    assert!(!store.exists("list only").await);
    assert_eq!(store.scan("").await, ["same"]);
}
