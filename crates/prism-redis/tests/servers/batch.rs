//! Batches: together to each server, each item for itself, in order, and in bounded memory.

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use prism_plugin::keyvalue::KeyValueBatch as _;
use prism_plugin::list::{End, List as _, ListRange as _};
use prism_plugin::types::{Key, Ttl};
use prism_plugin::{ErrorReason, KeyValue as _};
use redis::Value;
use serde_json::json;

use crate::support::cluster::Cluster;
use crate::support::server::{Kind, Server};
use crate::support::store::{get, key, namespace, patient, set, store};
use crate::support::until;

fn items(names: impl IntoIterator<Item = (String, String)>) -> Vec<(Key, Bytes, Option<Ttl>)> {
    names.into_iter().map(|(name, value)| (key(name), Bytes::from(value), None)).collect()
}

#[tokio::test]
async fn items_of_a_cluster_go_to_their_nodes_together() {
    let cluster = Cluster::start(Kind::Redis).await;
    let store = store(json!({ "urls": cluster.urls(), "cluster": true }));
    let all = || (0..1000).map(|number| (format!("k{number}"), number.to_string()));
    let written = store.set_each(&patient(), namespace(), items(all())).await;
    assert!(written.len() == 1000 && written.iter().all(Result::is_ok), "{written:?}");
    let sets: u64 = cluster.primaries().iter().map(|index| cluster.nodes[*index].calls("set")).sum();
    assert_eq!(sets, 1000);
    let mut keys: Vec<_> = all().map(|(name, _)| key(name)).collect();
    let mut number = 0;
    while !keys.is_empty() {
        let read = store.get_first(&patient(), &namespace(), &keys, false).await;
        assert!(!read.is_empty());
        keys.drain(..read.len());
        for value in read {
            assert_eq!(value, Ok(Some((Bytes::from(number.to_string()), None))));
            number += 1;
        }
    }
    assert_eq!(number, 1000);
    let keys: Vec<_> =
        all().chain([("missing".to_owned(), String::new())]).map(|(name, _)| key(name)).collect();
    let removed = store.delete_each(&patient(), namespace(), keys).await;
    assert_eq!(removed.iter().filter(|found| **found == Ok(true)).count(), 1000);
    assert_eq!(removed.last(), Some(&Ok(false)));

    let written = store.set_each(&patient(), namespace(), items(all())).await;
    assert!(written.iter().all(Result::is_ok), "{written:?}");
    let keys = all().chain([("missing".to_owned(), String::new())]).map(|(name, _)| key(name)).collect();
    assert_eq!(store.delete_found(&patient(), namespace(), keys).await, Ok(1000));
    assert_eq!(get(&store, "k7").await, Ok(None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn items_follow_slots_that_move_and_keep_their_order() {
    let cluster = Cluster::start(Kind::Valkey).await;
    let store = store(json!({ "urls": cluster.urls(), "cluster": true }));
    let primaries = cluster.primaries();
    let id = |index: usize| cluster.nodes[index].ask::<String>(&["CLUSTER", "MYID"]).unwrap();
    let (from, to) = (id(primaries[0]), id(primaries[1]));
    let any = format!("127.0.0.1:{}", cluster.nodes[0].port);
    let writing = {
        let store = store.clone();
        tokio::spawn(async move {
            for round in 0..60 {
                // Each key twice: the later one stands.
                let twice = (0..100).flat_map(|number| {
                    let name = format!("k{number}");
                    [(name.clone(), format!("{round} before")), (name, round.to_string())]
                });
                let written = store.set_each(&patient(), namespace(), items(twice)).await;
                assert!(written.iter().all(Result::is_ok), "{written:?}");
                for number in 0..100 {
                    let value = get(&store, &format!("k{number}")).await.unwrap();
                    assert_eq!(value, Some(round.to_string()), "{number}");
                }
            }
        })
    };
    tokio::task::block_in_place(|| {
        let reshard = ["reshard", &any, "--cluster-from", &from, "--cluster-to", &to];
        cluster.manage(&[&reshard[..], &["--cluster-slots", "800", "--cluster-yes"]].concat())
    });
    writing.await.unwrap();
}

#[tokio::test]
async fn one_failing_item_fails_nothing_else() {
    let server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url(), "layout": "raw" }));
    server.tell(&["RPUSH", "list", "v"]);
    set(&store, "a", "1").await.unwrap();
    let names = ["a", "list", "b"].map(key).to_vec();
    let read = store.get_first(&patient(), &namespace(), &names, true).await;
    assert_eq!(read[0], Ok(Some(("1".into(), None))));
    assert_eq!(read[1].as_ref().unwrap_err().reason, ErrorReason::WrongType);
    assert_eq!(read[2], Ok(None));
    let values = ["a", "list", "b"].map(|name| (name.to_owned(), "2".to_owned()));
    let written = store.set_each(&patient(), namespace(), items(values)).await;
    assert!(written[0].is_ok() && written[2].is_ok());
    assert_eq!(written[1].as_ref().unwrap_err().reason, ErrorReason::WrongType);
    let removed = store.delete_each(&patient(), namespace(), names).await;
    assert_eq!((&removed[0], &removed[2]), (&Ok(true), &Ok(true)));
    assert_eq!(removed[1].as_ref().unwrap_err().reason, ErrorReason::WrongType);
    assert_eq!(server.ask::<u64>(&["LLEN", "list"]).unwrap(), 1, "the list is untouched");
}

#[tokio::test]
async fn a_part_of_large_values_is_small() {
    let server = Server::start(Kind::Valkey, &[]);
    let store = store(json!({ "url": server.url() }));
    let value = Bytes::from(vec![7; 400 * 1024]);
    let names = || (0..10).map(|number| key(format!("k{number}")));
    let all = names().map(|key| (key, value.clone(), None)).collect();
    assert!(store.set_each(&patient(), namespace(), all).await.iter().all(Result::is_ok));
    let read = store.get_first(&patient(), &namespace(), &names().collect::<Vec<_>>(), false).await;
    assert_eq!(read.len(), 2, "three would be larger than a part");
    server.tell(&["ACL", "SETUSER", "default", "-strlen"]);
    let read = store.get_first(&patient(), &namespace(), &names().collect::<Vec<_>>(), false).await;
    assert_eq!(read, [Ok(Some((value, None)))], "of an unknown size");
    server.tell(&["ACL", "SETUSER", "default", "+strlen"]);
    let largest = Bytes::from(vec![7; 4 * 1024 * 1024 - 16 * 1024]);
    store.set(&patient(), namespace(), key("k0"), largest.clone(), None).await.unwrap();
    let read = store.get_first(&patient(), &namespace(), &names().collect::<Vec<_>>(), true).await;
    assert_eq!(read, [Ok(Some((largest, None)))]);
}

#[tokio::test]
async fn a_page_of_a_list_is_small() {
    let server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url() }));
    // Small ones first, so that more are read at a time when the large ones come.
    let sizes: Vec<_> = (0..300).map(|_| 1000).chain((0..6).map(|_| 200 * 1024)).chain([0, 0]).collect();
    for size in &sizes {
        let value = Bytes::from(vec![7; *size]);
        store.push(&patient(), namespace(), key("l"), End::Right, value).await.unwrap();
    }
    let pages: Vec<_> = store.range(&patient(), namespace(), key("l"), 0, -1).try_collect().await.unwrap();
    for page in &pages {
        let bytes: usize = page.iter().map(Bytes::len).sum();
        let last = page.last().map_or(0, Bytes::len);
        assert!(page.len() <= 256 && bytes - last < 256 * 1024, "{} values, {bytes} bytes", page.len());
    }
    assert_eq!(pages.concat().iter().map(Bytes::len).collect::<Vec<_>>(), sizes);
    let pages = store.range(&patient(), namespace(), key("l"), -3, 1000);
    let last: Vec<_> = pages.try_collect::<Vec<_>>().await.unwrap().concat();
    assert_eq!(last.iter().map(Bytes::len).collect::<Vec<_>>(), [200 * 1024, 0, 0]);
}

#[tokio::test]
async fn a_batch_without_its_server_fails_item_by_item() {
    let mut server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url() }));
    set(&store, "a", "1").await.unwrap();
    server.kill();
    let values = || items(["a", "b"].map(|name| (name.to_owned(), "2".to_owned())));
    let refused = until("it is noticed", async || {
        let results = store.set_each(&patient(), namespace(), values()).await;
        assert_eq!(results.len(), 2);
        let errors: Vec<_> = results.into_iter().map(Result::unwrap_err).collect();
        errors.iter().all(|error| error.fact("applied") == Some("no")).then_some(errors)
    })
    .await;
    assert!(refused.iter().all(|error| error.reason == ErrorReason::BackendUnreachable), "{refused:?}");
    server.restart();
    until("calls succeed again", async || get(&store, "a").await.ok()).await;
    assert_eq!(server.tell(&["DBSIZE"]), Value::Int(0));
}
