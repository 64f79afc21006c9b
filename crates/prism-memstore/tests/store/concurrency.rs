//! On real threads, where the clock cannot be paused: the last test takes two seconds, its keys' time to live.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use super::*;

/// Runs a future on this thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// Runs `work` on another thread repeatedly until `until` has returned.
fn beside(work: impl Fn() + Send + Sync, until: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            while !stop.load(Relaxed) {
                work();
            }
        });
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(until));
        stop.store(true, Relaxed);
        worker.join().unwrap();
        ended.unwrap();
    });
}

#[test]
fn a_scan_returns_each_key_once_while_one_is_toggled_and_others_overwritten() {
    let store = Store::new();
    let expected: Vec<_> = (0..1000).map(|i| format!("{i:04}")).collect();
    block_on(async {
        for key in &expected {
            store.set(key, "v", None).await;
        }
    });
    let churn = || {
        block_on(async {
            for _ in 0..100 {
                let overwritten = format!("{:04}", fastrand::usize(..1000));
                store.set(&overwritten, [0; 200], fastrand::bool().then_some(3600)).await;
                store.set("0500x", "toggled", None).await;
                store.delete("0500x").await;
            }
        });
    };
    beside(churn, || {
        block_on(async {
            for _ in 0..200 {
                let mut seen = keys(store.store.scan_keys(&Context::default(), store.range(""))).await;
                seen.retain(|key| key != "0500x");
                assert_eq!(seen, expected);
                let mut items = collect(store.store.scan(&Context::default(), store.range("05"))).await;
                items.retain(|(key, _)| &**key != "0500x");
                assert_eq!(items.len(), 100);
                assert!((1000..=1001).contains(&store.count("").await));
            }
        });
    });
}

#[test]
fn a_key_that_is_overwritten_is_in_every_scan() {
    let store = Store::new();
    block_on(store.set("k", "v", None));
    let overwrite = || {
        block_on(async {
            for i in 0..1000 {
                store.set("k", "v", (i % 2 == 0).then_some(3600)).await;
            }
        });
    };
    beside(overwrite, || {
        block_on(async {
            for _ in 0..20_000 {
                assert_eq!(keys(store.store.scan_keys(&Context::default(), store.range("k"))).await, ["k"]);
                assert_eq!(store.count("").await, 1);
            }
        });
    });
}

#[test]
fn a_write_into_a_namespace_that_vanishes_is_not_lost() {
    let store = Store::new();
    let other = || {
        block_on(async {
            store.set("other", "v", None).await;
            store.delete("other").await;
            store.push("other", End::Left, "v").await;
            store.pop("other", End::Left).await;
        });
    };
    beside(other, || {
        block_on(async {
            for i in 0..20_000 {
                store.set("mine", format!("{i}"), None).await;
                assert_eq!(store.get("mine").await.unwrap(), format!("{i}"));
                assert!(store.delete("mine").await);
                store.push("mine", End::Left, format!("{i}")).await;
                assert_eq!(store.pop("mine", End::Left).await.unwrap(), format!("{i}"));
            }
        });
    });
    let usage = store.store.totals();
    assert_eq!((usage.bytes, usage.namespaces), (0, 0));
}

#[test]
fn every_pushed_value_is_popped_exactly_once() {
    const THREADS: u64 = 4;
    const EACH: u64 = 5000;
    let store = Store::new();
    let mut popped: Vec<u64> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let store = &store;
                scope.spawn(move || {
                    block_on(async {
                        let mut popped = Vec::new();
                        for i in 0..EACH {
                            let end = |left| if left { End::Left } else { End::Right };
                            store.push("l", end(i % 2 == 0), (thread * EACH + i).to_le_bytes()).await;
                            let value =
                                store.pop("l", end(i % 3 == 0)).await.expect("as many pushes as pops");
                            popped.push(u64::from_le_bytes(value[..].try_into().unwrap()));
                        }
                        popped
                    })
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    popped.sort_unstable();
    assert_eq!(popped, (0..THREADS * EACH).collect::<Vec<_>>());
    assert_eq!(store.bytes(), 0);
}

#[test]
fn writers_on_many_threads_do_not_pass_the_limit() {
    let limit = 200_000;
    let store = Store::with_limit(Some(limit));
    thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                block_on(async {
                    for i in 0..5000 {
                        let key = format!("{thread}-{}", i % 500);
                        let ttl = (i % 3 == 0).then_some(3600);
                        let _ = store.try_set(&key, vec![0; fastrand::usize(..1000)], ttl).await;
                        assert!(store.bytes() <= limit);
                        if i % 7 == 0 {
                            store.delete(&key).await;
                        }
                    }
                });
            });
        }
    });
    block_on(async {
        for key in store.scan("").await {
            assert!(store.delete(&key).await);
        }
    });
    let usage = store.store.totals();
    assert_eq!((usage.keys, usage.bytes), (0, 0));
}

/// Keys are set, refreshed and deleted with the shortest times to live on two threads, while the task frees them on a
/// third: the latest value is never freed early, and in the end the accounting is exact.
#[test]
fn the_task_and_writers_do_not_disturb_each_other() {
    let store = Store::new();
    let expiry = store.store.expiry();
    thread::scope(|scope| {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        scope.spawn(move || block_on(expiry.run(stopped)));
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let store = &store;
                scope.spawn(move || {
                    let begun = std::time::Instant::now();
                    block_on(async {
                        let mut i = 0;
                        while begun.elapsed() < Duration::from_millis(2500) {
                            let key = format!("{writer}-{}", i % 3000);
                            store.set(&key, "short", Some(1 + i % 2)).await;
                            if i % 5 == 0 {
                                store.delete(&key).await;
                            }
                            if i % 7 == 0 {
                                store.set(&key, "long", Some(3600)).await;
                                store.set(&format!("{writer}-kept-{}", i % 50), "kept", None).await;
                            }
                            i += 1;
                            if i % 1000 == 0 {
                                tokio::task::yield_now().await;
                            }
                        }
                    });
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        block_on(async {
            // Not `scan`: keys may expire between its two scans.
            for key in keys(store.store.scan_keys(&Context::default(), store.range(""))).await {
                store.delete(&key).await;
            }
            // The rest has expired. It is freed when its timer fires, or when it is set once more and deleted.
            for key in (0..2).flat_map(|writer| (0..3000).map(move |i| format!("{writer}-{i}"))) {
                store.set(&key, "last", None).await;
                assert!(store.delete(&key).await);
            }
        });
        stop.send(()).unwrap();
    });
    let usage = store.store.totals();
    assert_eq!((usage.namespaces, usage.bytes), (0, 0));
}
