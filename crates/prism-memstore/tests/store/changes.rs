//! Changes that depend on what is stored, from many threads, and what they leave of the memory account.

use prism_memstore::MemStore;
use prism_plugin::Context;
use prism_plugin::keyvalue::{
    Condition, KeyValue as _, KeyValueCas as _, KeyValueCounter as _, KeyValueTtl as _,
};
use prism_plugin::types::{Namespace, Ttl};

use super::key;

fn namespace() -> Namespace {
    Namespace::new("changes".to_owned()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_increments_lose_nothing() {
    let store = MemStore::new(None);
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..1000 {
                    store.increment(&Context::default(), namespace(), key("n"), 1, 0, None).await.unwrap();
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(store.get(&Context::default(), namespace(), key("n")).await.unwrap().unwrap(), "4000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_of_a_key_that_comes_and_goes_balance_the_account() {
    let store = MemStore::new(None);
    let workers: Vec<_> = (0..4_u64)
        .map(|seed| {
            let store = store.clone();
            tokio::spawn(async move {
                let (mut random, context) = (fastrand::Rng::with_seed(seed), Context::default());
                for _ in 0..2000 {
                    let ttl = random.bool().then(|| Ttl::from_millis(60_000).unwrap());
                    match random.u8(..6) {
                        0 => drop(store.get_and_delete(&context, namespace(), key("k")).await.unwrap()),
                        1 => drop(
                            store
                                .expire(&context, namespace(), key("k"), Ttl::from_millis(9_000).unwrap())
                                .await
                                .unwrap(),
                        ),
                        2 => drop(store.persist(&context, namespace(), key("k")).await.unwrap()),
                        3 => {
                            let write = (vec![1; random.usize(..300)].into(), ttl);
                            let condition =
                                if random.bool() { Condition::Absent } else { Condition::Present };
                            store
                                .set_if(&context, namespace(), key("k"), write, condition, true)
                                .await
                                .unwrap();
                        }
                        4 => drop(
                            store
                                .get_and_set(&context, namespace(), key("k"), "v".into(), ttl)
                                .await
                                .unwrap(),
                        ),
                        _ => drop(
                            store
                                .delete_if(&context, namespace(), key("k"), Condition::Present, false)
                                .await
                                .unwrap(),
                        ),
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    store.delete(&Context::default(), namespace(), key("k")).await.unwrap();
    let totals = store.totals();
    assert_eq!((totals.keys, totals.bytes, totals.namespaces, totals.timers), (0, 0, 0, 0));
}

/// A condition that does not hold creates neither the key nor its namespace.
#[tokio::test]
async fn what_is_not_applied_creates_nothing() {
    let store = MemStore::new(None);
    let context = Context::default();
    let write = ("v".into(), None);
    let ended = store.set_if(&context, namespace(), key("k"), write, Condition::Present, true).await.unwrap();
    assert!(!ended.applied && ended.current.is_none());
    assert!(!store.expire(&context, namespace(), key("k"), Ttl::from_millis(1).unwrap()).await.unwrap());
    assert_eq!((store.totals().bytes, store.totals().namespaces), (0, 0));
}
