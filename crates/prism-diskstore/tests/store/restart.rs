//! What a restart keeps, and what the traits say about it.

use prism_plugin::list::End;
use prism_plugin::usage::Usage as _;
use prism_plugin::{Context, ErrorReason};

use crate::support::{get, namespace, open, pop, push, set, settings};

#[tokio::test]
async fn keys_lists_and_times_to_live_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = open(&path);
    set(&store, "stays", "1", None).await.unwrap();
    set(&store, "expires", "2", Some(1000)).await.unwrap();
    set(&store, "gone", "3", Some(1)).await.unwrap();
    for value in ["b", "c"] {
        push(&store, "list", End::Right, value).await;
    }
    assert_eq!(push(&store, "list", End::Left, "a").await, 3);
    drop(store);
    let store = open(&path);
    let expired = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while get(&store, "gone").await.is_some() {
        assert!(std::time::Instant::now() < expired);
        tokio::task::yield_now().await;
    }
    assert_eq!(get(&store, "stays").await.unwrap(), "1");
    assert_eq!(get(&store, "expires").await.unwrap(), "2");
    assert_eq!(pop(&store, "list", End::Left).await.unwrap(), "a");
    assert_eq!(pop(&store, "list", End::Right).await.unwrap(), "c");
    let report = store.verify().unwrap();
    assert_eq!((report.lists, report.list_values), (1, 1));
}

#[tokio::test]
async fn an_expired_key_is_freed_and_its_index_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for number in 0..300 {
        set(&store, &format!("key-{number}"), "v", Some(1)).await.unwrap();
    }
    // Refreshing a key leaves one entry in the index.
    for seconds in [5000, 6000, 7000] {
        set(&store, "refreshed", "v", Some(seconds)).await.unwrap();
    }
    let freed = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let report = store.verify().unwrap();
        if report.keys == 1 {
            assert_eq!(report.expiring, 1);
            break;
        }
        assert!(std::time::Instant::now() < freed, "{report:?}");
        tokio::task::yield_now().await;
    }
    let used = store.usage(&Context::default(), namespace()).await.unwrap();
    assert_eq!((used.keys, used.lists), (Some(1), Some(0)));
    assert!(used.backend_bytes.unwrap() > 0);
}

#[tokio::test]
async fn below_the_floor_writes_fail_and_deletes_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    set(&store, "key", "v", None).await.unwrap();
    push(&store, "list", End::Left, "v").await;
    drop(store);
    let mut settings = settings(folder.path());
    // All of the disk: there is no room for that, since something is on it.
    let disk = rustix::fs::statvfs(folder.path()).unwrap();
    settings.live.min_free = disk.f_blocks * disk.f_frsize;
    let store = prism_diskstore::DiskStore::open(&settings).unwrap();
    let refused = set(&store, "other", "v", None).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::DiskFull);
    assert_eq!(refused.fact("limit"), Some(&*settings.live.min_free.to_string()));
    assert_eq!(get(&store, "key").await.unwrap(), "v");
    assert_eq!(pop(&store, "list", End::Left).await.unwrap(), "v");
}
