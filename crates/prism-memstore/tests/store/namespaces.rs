use super::*;

#[tokio::test]
async fn namespaces_do_not_see_each_other() {
    let (a, b) = (Store::new().namespace("a"), Store::new());
    let b = Store { namespace: b.namespace, ..a.clone() };
    a.set("k", "a", None).await;
    b.set("k", "b", None).await;
    a.push("l", End::Left, "a").await;
    assert_eq!(a.get("k").await.unwrap(), "a");
    assert!(b.delete("k").await);
    assert_eq!(b.length("l").await, 0);
    assert_eq!(b.scan("").await, [""; 0]);
    assert_eq!(a.scan("").await, ["k"]);
}

#[tokio::test]
async fn reads_make_no_namespace_and_the_last_entry_takes_it_along() {
    let store = Store::new();
    store.get("k").await;
    store.exists("k").await;
    store.delete("k").await;
    store.scan("").await;
    store.count("").await;
    assert_eq!(store.store.totals().namespaces, 0);
    store.set("k", "v", None).await;
    store.push("l", End::Left, "v").await;
    assert_eq!(store.store.totals().namespaces, 1);
    store.delete("k").await;
    assert_eq!(store.store.totals().namespaces, 1);
    store.pop("l", End::Left).await;
    assert_eq!((store.store.totals().namespaces, store.bytes()), (0, 0));
}

#[tokio::test]
async fn a_namespace_of_lists_only_is_counted_once() {
    let store = Store::new();
    store.namespace("keys").set("k", "v", None).await;
    store.namespace("both").set("k", "v", None).await;
    store.namespace("both").push("l", End::Left, "v").await;
    store.namespace("lists").push("l", End::Left, "v").await;
    assert_eq!(store.store.totals().namespaces, 3);
}

#[tokio::test]
async fn ten_thousand_namespaces_are_cheap() {
    let store = Store::new();
    for i in 0..10_000 {
        store.namespace(&format!("n{i}")).set("k", "v", None).await;
    }
    assert_eq!(store.store.totals().namespaces, 10_000);
    assert!(store.bytes() < 20_000_000);
    for i in 0..10_000 {
        assert!(store.namespace(&format!("n{i}")).delete("k").await);
    }
    assert_eq!((store.store.totals().namespaces, store.bytes()), (0, 0));
}
