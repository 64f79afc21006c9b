//! Scans of many keys and of large values, and while the keyspace changes.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use prism_plugin::keyvalue::{Range, Start};
use prism_plugin::list::ListScan as _;
use prism_plugin::{Context, ErrorReason, KeyValue as _};
use serde_json::json;

use crate::support::cluster::Cluster;
use crate::support::server::{Kind, Server};
use crate::support::store::{items, key, namespace, patient, push, range, set, set_for, store};
use crate::support::until;

#[tokio::test]
async fn a_scan_finds_every_key_while_others_come_and_go() {
    let server = Server::start(Kind::Redis, &[]);
    // With tens of thousands of keys more and less, the server's table grows and shrinks under the scan.
    let store = store(json!({ "url": server.url() }));
    for number in 0..1000 {
        set(&store, &format!("stays/{number}"), "v").await.unwrap();
    }
    let mut pages = store.scan(&Context::default(), range("stays/", Start::Beginning, None));
    let mut seen = BTreeSet::new();
    let mut turn = 0;
    while let Some(page) = pages.try_next().await.unwrap() {
        seen.extend(page.items.into_iter().map(|(key, _)| key.into_string()));
        turn += 1;
        let verb = if turn % 2 == 0 { "'DEL', KEYS[1] .. i" } else { "'SET', KEYS[1] .. i, 'v'" };
        let change = format!("for i = 1, 30000 do redis.call({verb}) end");
        server.tell(&["EVAL", &change, "1", "kv:default:others/"]);
    }
    assert_eq!(seen.len(), 1000);
    assert!(turn > 1, "there is more than one page");
}

#[tokio::test]
async fn a_page_of_large_values_is_small() {
    let server = Server::start(Kind::Valkey, &[]);
    let store = store(json!({ "url": server.url() }));
    let value = Bytes::from(vec![7; 200 * 1024]);
    for number in 0..20 {
        store
            .set(&patient(), namespace(), key(format!("large/{number}")), value.clone(), None)
            .await
            .unwrap();
    }
    let mut pages = store.scan(&Context::default(), range("large/", Start::Beginning, None));
    let mut seen = BTreeSet::new();
    while let Some(page) = pages.try_next().await.unwrap() {
        assert_eq!(page.items.len(), 1, "two values are larger than a page");
        assert!(page.items.iter().all(|(_, read)| *read == value));
        seen.extend(page.items.into_iter().map(|(key, _)| key.into_string()));
    }
    assert_eq!(seen.len(), 20);
    let limited =
        items(store.scan(&Context::default(), range("large/", Start::Beginning, Some(3)))).await.unwrap();
    assert_eq!(limited.len(), 3);
}

#[tokio::test]
async fn a_scan_resumes_page_by_page_and_ends() {
    let server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url() }));
    for number in 0..300 {
        set(&store, &format!("key/{number}"), "v").await.unwrap();
    }
    for limit in [1, 7, 100, 1000] {
        let (mut seen, mut total, mut start) = (BTreeSet::new(), 0, Start::Beginning);
        loop {
            let pages = store.scan_keys(&Context::default(), range("key/", start.clone(), Some(limit)));
            let pages: Vec<_> = pages.try_collect().await.unwrap();
            let Some(last) = pages.last() else { break };
            start = Start::Resume(last.resume.clone().unwrap());
            let keys: Vec<_> = pages.into_iter().flat_map(|page| page.items).collect();
            total += keys.len();
            assert!(keys.len() <= limit && total < 2000, "it ends");
            seen.extend(keys.into_iter().map(prism_plugin::types::Key::into_string));
        }
        assert_eq!((seen.len(), total), (300, 300), "{limit}: each once, while nothing changes");
    }
    let foreign = range("", Start::Resume(Bytes::from_static(b"x")), None);
    let refused = items(store.scan(&Context::default(), foreign)).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::ResumeInvalid);
}

#[tokio::test]
async fn a_scan_resumed_on_a_server_that_was_restarted_begins_again() {
    let mut server = Server::start(Kind::Redis, &["--appendonly", "yes", "--appendfsync", "always"]);
    let store = store(json!({ "url": server.url() }));
    for number in 0..300 {
        set(&store, &format!("key/{number}"), "v").await.unwrap();
    }
    let begun = store.scan(&Context::default(), range("key/", Start::Beginning, Some(20)));
    let pages: Vec<_> = begun.try_collect().await.unwrap();
    let mut seen: BTreeSet<_> =
        pages.iter().flat_map(|page| &page.items).map(|(key, _)| key.to_string()).collect();
    let resume = Start::Resume(pages.last().unwrap().resume.clone().unwrap());
    server.kill();
    server.restart();
    let rest = until("the server is back", async || {
        items(store.scan(&Context::default(), range("key/", resume.clone(), None))).await.ok()
    })
    .await;
    seen.extend(rest.iter().map(|(key, _)| key.to_string()));
    assert_eq!(seen.len(), 300);
}

/// A client that goes on at each token, with keys so long that those of one step do not fit into it.
#[tokio::test]
async fn small_pages_of_long_keys_come_to_an_end() {
    let server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url() }));
    let long = "k".repeat(1500);
    for number in 0..40 {
        set(&store, &format!("{number:02}{long}"), "v").await.unwrap();
    }
    for (page_bytes, limit) in [(Some(1), None), (Some(4000), None), (None, Some(1)), (None, Some(3))] {
        let (mut seen, mut total, mut start) = (BTreeSet::new(), 0, Start::Beginning);
        loop {
            let pages = Range { page_bytes, ..range("", start.clone(), limit) };
            let Some(page) = store.scan_keys(&patient(), pages).try_next().await.unwrap() else { break };
            let at_most = limit.unwrap_or(page_bytes.unwrap_or(0) / 1500 + 1);
            assert!((1..=at_most).contains(&page.items.len()), "{page_bytes:?}: {}", page.items.len());
            total += page.items.len();
            assert!(total < 400, "it comes to an end");
            start = Start::Resume(page.resume.unwrap());
            seen.extend(page.items.into_iter().map(prism_plugin::types::Key::into_string));
        }
        assert_eq!(seen.len(), 40, "{page_bytes:?}, {limit:?}");
    }
}

#[tokio::test]
async fn times_to_live_and_lists_are_read_on_each_node() {
    let cluster = Cluster::start(Kind::Redis).await;
    let store = store(json!({ "urls": cluster.urls(), "cluster": true }));
    for number in 0..300 {
        match number % 2 {
            0 => set(&store, &format!("k{number}"), "v").await.unwrap(),
            _ => set_for(&store, &format!("k{number}"), 1000).await.unwrap(),
        }
        for _ in 0..=number % 3 {
            push(&store, &format!("l{number}"), "v").await.unwrap();
        }
    }
    let with_ttl = Range { with_ttl: true, ..range("k", Start::Beginning, None) };
    let pages: Vec<_> = store.scan(&patient(), with_ttl.clone()).try_collect().await.unwrap();
    let read = pages.into_iter().flat_map(|page| {
        assert_eq!(page.items.len(), page.ttls_left.len());
        page.items.into_iter().map(|(key, _)| key).zip(page.ttls_left)
    });
    let values: BTreeSet<_> = read.map(|(key, left)| (key.into_string(), left.is_some())).collect();
    let pages: Vec<_> = store.scan_keys(&patient(), with_ttl).try_collect().await.unwrap();
    let read = pages.into_iter().flat_map(|page| page.items.into_iter().zip(page.ttls_left));
    let keys: BTreeSet<_> = read.map(|(key, left)| (key.into_string(), left.is_some())).collect();
    let expected: BTreeSet<_> = (0..300).map(|number| (format!("k{number}"), number % 2 == 1)).collect();
    assert_eq!(values, expected);
    assert_eq!(keys, expected);

    let lists = items(store.scan_lists(&patient(), range("l", Start::Beginning, None))).await.unwrap();
    let lists: BTreeSet<_> = lists.into_iter().map(|(key, length)| (key.into_string(), length)).collect();
    assert_eq!(lists, (0..300).map(|number| (format!("l{number}"), number % 3 + 1)).collect());
    assert_eq!(store.count_lists(&patient(), namespace(), "l1".to_owned()).await, Ok(111));
    let some = items(store.scan_lists(&patient(), range("l", Start::Beginning, Some(7)))).await.unwrap();
    assert_eq!(some.len(), 7);
}
