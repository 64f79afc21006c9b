use super::*;

const YEAR: u64 = 365 * 24 * 60 * 60;

/// How late a key may be freed, in seconds, and as much again for its timer.
fn late_max(ttl: u64) -> u64 {
    2 + ttl / 256
}

/// No expiry task runs: memory is freed as late as possible.
#[tokio::test(start_paused = true)]
async fn an_expired_key_is_not_there_however_late_it_is_freed() {
    let store = Store::new();
    store.set("a", "v", None).await;
    store.set("b", "v", Some(10)).await;
    store.set("c", "v", Some(20)).await;
    seconds(10).await;
    assert_eq!(store.get("b").await, None);
    assert!(!store.exists("b").await);
    assert_eq!(store.scan("").await, ["a", "c"]);
    assert_eq!(store.count("").await, 2);
    assert_eq!(store.count("b").await, 0);
    assert!(!store.delete("b").await, "it was found");
    assert_eq!(store.store.totals().keys, 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_lives_until_its_deadline() {
    let store = Store::new().expiring();
    store.set("k", "v", Some(10)).await;
    tokio::time::advance(Duration::from_millis(9_999)).await;
    assert!(store.exists("k").await);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(!store.exists("k").await);
}

#[tokio::test(start_paused = true)]
async fn the_task_frees_expired_keys_and_their_namespace() {
    let store = Store::new().expiring();
    for i in 0..10_000 {
        store.set(&format!("key-{i}"), "v", Some(1 + i % 10)).await;
    }
    for _ in 0..12 {
        rest().await;
    }
    let usage = store.store.totals();
    assert_eq!((usage.bytes, usage.keys, usage.namespaces, usage.timers), (0, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn setting_a_key_replaces_its_time_to_live() {
    let store = Store::new().expiring();
    for (first, second, lives) in
        [(Some(10), Some(100), 100), (Some(100), Some(10), 10), (None, Some(10), 10), (Some(10), None, 1000)]
    {
        store.set("k", "1", first).await;
        rest().await;
        store.set("k", "2", second).await;
        tokio::time::sleep(Duration::from_secs(lives - 1)).await;
        assert_eq!(store.get("k").await.unwrap(), "2", "{first:?} then {second:?}");
        rest().await;
        assert_eq!(store.exists("k").await, second.is_none(), "{first:?} then {second:?}");
        tokio::time::sleep(Duration::from_secs(late_max(100))).await;
        let freed = store.store.totals().keys == 0;
        assert_eq!(freed, second.is_some(), "{first:?} then {second:?}: freed in time");
    }
}

#[tokio::test(start_paused = true)]
async fn refreshing_one_key_a_million_times_leaves_one_timer_and_flat_memory() {
    let store = Store::new().expiring();
    store.set("k", "v", Some(3600)).await;
    let bytes = store.bytes();
    for i in 0..1_000_000 {
        store.set("k", "v", Some(3600 - i % 3000)).await;
        if i % 10_000 == 0 {
            rest().await;
        }
    }
    assert_eq!(store.store.totals().timers, 1);
    assert_eq!(store.bytes(), bytes);
    tokio::time::sleep(Duration::from_secs(3600 + late_max(3600))).await;
    assert_eq!(store.bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn setting_and_deleting_a_key_over_and_over_leaves_one_timer() {
    for store in [Store::new(), Store::new().expiring()] {
        for i in 0..100_000 {
            store.set("k", "v", Some(3600)).await;
            store.delete("k").await;
            if i % 10_000 == 0 {
                rest().await;
            }
        }
        assert!(store.store.totals().timers <= 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_timer_goes_with_the_last_key_that_needs_it() {
    let store = Store::new().expiring();
    store.set("a", "v", Some(1000)).await;
    store.set("b", "v", Some(1000)).await;
    rest().await;
    store.delete("a").await;
    rest().await;
    assert_eq!(store.store.totals().timers, 1);
    store.set("c", "v", Some(10)).await;
    store.set("b", "v", None).await;
    rest().await;
    assert_eq!(store.store.totals().timers, 1);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!((store.store.totals().keys, store.store.totals().timers), (1, 0));
}

/// The task arms and disarms ten times a second: the timer fires in between.
#[tokio::test(start_paused = true)]
async fn a_timer_that_lost_its_last_key_just_before_it_fires_is_gone() {
    let store = Store::new().expiring();
    store.set("a", "v", Some(10)).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    store.set("b", "v", Some(1000)).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(!store.delete("a").await && store.store.totals().timers == 2);
    rest().await;
    assert_eq!((store.store.totals().keys, store.store.totals().timers), (1, 1));
}

/// More keys than the task checks at a time, half of them with a later deadline than that of their timer.
#[tokio::test(start_paused = true)]
async fn keys_that_were_refreshed_outlive_the_timer_that_they_share_with_others() {
    let store = Store::new().expiring();
    for i in 0..2000 {
        store.set(&format!("key-{i}"), "v", Some(10)).await;
    }
    assert_eq!(store.store.totals().timers, 1);
    for i in (0..2000).step_by(2) {
        store.set(&format!("key-{i}"), "v", Some(100)).await;
    }
    assert_eq!(store.store.totals().timers, 1);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!((store.store.totals().keys, store.store.totals().timers), (1000, 1));
    tokio::time::sleep(Duration::from_secs(88)).await;
    assert_eq!(store.count("").await, 1000);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!((store.bytes(), store.store.totals().timers), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_longest_time_to_live_is_kept() {
    let store = Store::new().expiring();
    store.set("k", "v", Some(100 * YEAR as i64)).await;
    for _ in 0..100 {
        assert!(store.exists("k").await);
        tokio::time::sleep(Duration::from_secs(YEAR)).await;
    }
    assert!(!store.exists("k").await);
    tokio::time::sleep(Duration::from_secs(late_max(YEAR))).await;
    assert_eq!(store.store.totals().keys, 0);
}

#[tokio::test(start_paused = true)]
async fn the_task_outlives_years_without_a_key_that_expires() {
    let store = Store::new().expiring();
    for _ in 0..3 {
        store.set("k", "v", Some(10)).await;
        tokio::time::sleep(Duration::from_secs(11)).await;
        assert_eq!(store.store.totals().keys, 0);
        tokio::time::sleep(Duration::from_secs(3 * YEAR)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_taken_over_is_found_again() {
    let store = Store::new().expiring();
    for i in 0..20_000 {
        let ttl = if i % 100 == 99 { 1000 + i / 100 } else { 10 };
        store.set(&format!("key-{i}"), "v", Some(ttl)).await;
    }
    let full = store.store.totals();
    tokio::time::sleep(Duration::from_secs(12)).await;
    let usage = store.store.totals();
    assert_eq!(usage.keys, 200);
    assert!(usage.bytes < full.bytes / 80, "{} of {} bytes are left", usage.bytes, full.bytes);

    // Deleted, refreshed and brought forward, including keys whose slots moved.
    store.delete("key-99").await;
    store.set("key-199", "v", Some(5000)).await;
    store.set("key-299", "v", Some(5)).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(store.store.totals().keys, 198);
    tokio::time::sleep(Duration::from_secs(1200)).await;
    assert_eq!(store.scan("").await, ["key-199"]);
    assert_eq!(store.store.totals().keys, 1);
    tokio::time::sleep(Duration::from_secs(5000)).await;
    assert_eq!((store.bytes(), store.store.totals().timers), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn deleting_keys_takes_their_timers_too() {
    let store = Store::new().expiring();
    for i in 0..10_000 {
        store.set(&format!("key-{i}"), "v", Some(1000)).await;
    }
    rest().await;
    for i in 0..10_000 {
        store.delete(&format!("key-{i}")).await;
    }
    rest().await;
    assert_eq!((store.bytes(), store.store.totals().timers), (0, 0));
}

/// Long enough that there would be more than the 65,536 that can be numbered.
#[tokio::test(start_paused = true)]
async fn timers_are_bounded_while_the_task_does_not_run_and_it_frees_their_keys_later() {
    let store = Store::new();
    for i in 0..70_000 {
        store.set(&format!("key-{i}"), "v", Some(10)).await;
        tokio::time::advance(Duration::from_millis(140)).await;
    }
    for i in 69_000..70_000 {
        store.set(&format!("key-{i}"), "v", Some(1000 + i % 100)).await;
    }
    assert_eq!(store.store.totals().timers, 1 << 15);
    let store = store.expiring();
    rest().await;
    let totals = store.store.totals();
    assert_eq!(totals.keys, 1000);
    assert!(totals.timers < 100, "{} timers", totals.timers);
    tokio::time::sleep(Duration::from_secs(1100 + late_max(1100))).await;
    assert_eq!((store.bytes(), store.store.totals().timers), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_its_signal() {
    let store = Store::new();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let task = tokio::spawn(store.store.expiry().run(stopped));
    store.set("k", "v", Some(10)).await;
    rest().await;
    stop.send(()).unwrap();
    task.await.unwrap();
    seconds(10).await;
    assert!(!store.exists("k").await);
}

#[test]
#[should_panic(expected = "one expiry task")]
fn the_task_is_taken_once() {
    let store = MemStore::new(None);
    let _first = store.expiry();
    let _second = store.expiry();
}
