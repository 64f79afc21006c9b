//! Scans of many keys and of large values, and while the keyspace changes.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use prism_plugin::keyvalue::Start;
use prism_plugin::{Context, ErrorReason, KeyValue as _};
use serde_json::json;

use crate::support::server::{Kind, Server};
use crate::support::store::{items, key, namespace, patient, range, set, store};
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
