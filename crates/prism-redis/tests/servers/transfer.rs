//! Lists that are replaced in one step, also among data that other applications wrote.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use prism_plugin::list::{
    DeliveryLimit, End, List as _, ListBatch as _, ListBlocking as _, ListIndexing as _, ListRange as _,
    ListReserve as _, Reservation, Values,
};
use prism_plugin::transfer::{IfExists, Transfer as _};
use prism_plugin::{Error, ErrorReason};
use prism_redis::RedisStore;
use serde_json::json;

use crate::support::relay::Relay;
use crate::support::server::{Kind, Server};
use crate::support::store::{key, length, namespace, patient, push, store};

#[tokio::test]
async fn a_list_is_replaced_and_read_whole() {
    let server = Server::start(Kind::Redis, &[]);
    for layout in ["prism", "raw"] {
        let store = store(json!({ "url": server.url(), "layout": layout }));
        let context = patient();
        push(&store, "l", "before").await.unwrap();
        // More than Lua takes as arguments of one command.
        let values: Vec<Bytes> = (0..20_000).map(|n| n.to_string().into()).collect();
        let put = |values: &[Bytes], if_exists| {
            store.put_list(&context, namespace(), key("l"), values.to_vec(), if_exists)
        };
        assert_eq!(put(&values[..1], IfExists::Keep).await, Ok(false));
        assert_eq!(length(&store, "l").await, Ok(1));
        assert_eq!(put(&values, IfExists::Overwrite).await, Ok(true));
        let pages: Vec<_> = store.list_values(&context, namespace(), key("l")).try_collect().await.unwrap();
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [16 * 1024, 20_000 - 16 * 1024]);
        assert!(pages.concat() == values);
        assert_eq!(put(&[], IfExists::Keep).await, Ok(false));
        assert_eq!(put(&[], IfExists::Overwrite).await, Ok(true));
        assert_eq!(length(&store, "l").await, Ok(0));
        assert_eq!(put(&values[..2], IfExists::Keep).await, Ok(true));
        assert_eq!(length(&store, "l").await, Ok(2));
    }
}

/// Takes a value of the list for a waiter that goes before it has it, so that it returns.
async fn undone(server: &Server, end: End) {
    let relay = Relay::start(server.port).await;
    let store = store(json!({ "url": relay.url(), "connections": 1 }));
    let before = length(&store, "l").await.unwrap();
    relay.hold_answers();
    let waiting = tokio::spawn(async move {
        store.blocking_pop(&patient(), namespace(), key("l"), end, Duration::from_secs(20)).await
    });
    let has = async |length: u64| {
        server.until("it is taken or back", &["LLEN", "li:default:l"], |now: &u64| *now == length).await;
    };
    has(before - 1).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    relay.release_answers();
    has(before).await;
}

#[tokio::test]
async fn a_list_that_moves_while_it_is_copied_is_copied_whole() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let server = Server::start(kind, &[]);
        let store = store(json!({ "url": server.url() }));
        let context = patient();
        let (ns, l) = (namespace, || key("l"));
        let values: Vec<Bytes> = (0..80_000).map(|n| n.to_string().into()).collect();
        assert_eq!(store.put_list(&context, ns(), l(), values.clone(), IfExists::Keep).await, Ok(true));
        // Two copies, one page apart.
        let mut pages = store.list_values(&context, ns(), l());
        let mut copied = pages.try_next().await.unwrap().unwrap();
        let mut others = store.list_values(&context, ns(), l());
        let mut seen = others.try_next().await.unwrap().unwrap();
        let reserve = async |lease| {
            let end = End::Left;
            let wanted = Reservation { end, count: 7, lease, wait: Duration::ZERO, deliveries: None };
            store.reserve(&context, ns(), l(), wanted).await.unwrap().unwrap()
        };
        let lease = reserve(Duration::from_secs(600)).await;
        store.pop(&context, ns(), l(), End::Left).await.unwrap().unwrap();
        store.blocking_pop(&context, ns(), l(), End::Left, Duration::ZERO).await.unwrap().unwrap();
        store.pop_many(&context, ns(), l(), End::Left, 1000).await.unwrap();
        store.trim(&context, ns(), l(), 100, -1).await.unwrap();
        copied.extend(pages.try_next().await.unwrap().unwrap());
        // What comes meanwhile is left out, at either end.
        for end in [End::Left, End::Right] {
            store.push(&context, ns(), l(), end, "new".into()).await.unwrap();
            store.push_many(&context, ns(), l(), end, vec!["new".into(); 5], None).await.unwrap();
        }
        store.push_many(&context, ns(), l(), End::Left, vec!["new".into()], Some(1_000_000)).await.unwrap();
        // What is taken at the right end moves nothing.
        store.pop(&context, ns(), l(), End::Right).await.unwrap().unwrap();
        store.blocking_pop(&context, ns(), l(), End::Right, Duration::ZERO).await.unwrap().unwrap();
        store.pop_many(&context, ns(), l(), End::Right, 2).await.unwrap();
        let right = Reservation {
            end: End::Right,
            count: 1,
            lease: Duration::from_secs(600),
            wait: Duration::ZERO,
            deliveries: None,
        };
        let right = store.reserve(&context, ns(), l(), right).await.unwrap().unwrap();
        copied.extend(pages.try_next().await.unwrap().unwrap());
        store.release(&context, ns(), l(), right.lease).await.unwrap();
        store.release(&context, ns(), l(), lease.lease).await.unwrap();
        for end in [End::Left, End::Left, End::Right] {
            undone(&server, end).await;
        }
        // Values that have been delivered too often go elsewhere.
        let (end, lease, wait) = (End::Left, Duration::from_secs(600), Duration::ZERO);
        for max in [2, 1] {
            let deliveries = Some(DeliveryLimit { max, dead_letter: key("dead") });
            let dying = Reservation { end, count: 3, lease, wait, deliveries };
            let dying = store.reserve(&context, ns(), l(), dying).await.unwrap().unwrap();
            store.release(&context, ns(), l(), dying.lease).await.unwrap();
        }
        store.push_many(&context, ns(), l(), End::Right, vec!["new".into()], Some(70_000)).await.unwrap();
        reserve(Duration::from_millis(50)).await;
        server.passes(Duration::from_millis(60)).await;
        for page in pages.try_collect::<Vec<_>>().await.unwrap() {
            copied.extend(page);
        }
        assert!(copied == values, "{kind:?}");
        for page in others.try_collect::<Vec<_>>().await.unwrap() {
            seen.extend(page);
        }
        assert!(seen == values, "{kind:?}");

        // The count ends by itself.
        let [leases, ends]: [Vec<String>; 2] =
            ["leases", "ends"].map(|what| server.ask(&["KEYS", &format!("prism:{{*}}:{what}:*")]).unwrap());
        assert_eq!(server.ask::<u64>(&["HEXISTS", &leases[0], "x"]).unwrap(), 1);
        server.tell(&["ZADD", &ends[0], "0", "x"]);
        length(&store, "l").await.unwrap();
        assert_eq!(server.ask::<u64>(&["HEXISTS", &leases[0], "x"]).unwrap(), 0);
    }
}

/// A list of so many values that a copy takes five pages, and a store that has it.
async fn long_list(server: &Server) -> (RedisStore, Vec<Bytes>) {
    let store = store(json!({ "url": server.url() }));
    let values: Vec<Bytes> = (0..80_000).map(|n| n.to_string().into()).collect();
    let put = store.put_list(&patient(), namespace(), key("l"), values.clone(), IfExists::Keep).await;
    assert_eq!(put, Ok(true));
    (store, values)
}

/// A copy of which the first page has been read, and that page.
async fn begun(store: &RedisStore) -> (Values, Vec<Bytes>) {
    let mut pages = store.list_values(&patient(), namespace(), key("l"));
    let first = pages.try_next().await.unwrap().unwrap();
    (pages, first)
}

/// What is left of a copy.
async fn rest(pages: Values) -> Result<Vec<Bytes>, Error> {
    Ok(pages.try_collect::<Vec<_>>().await?.concat())
}

#[tokio::test]
async fn a_copy_that_is_counted_no_longer_is_interrupted() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let server = Server::start(kind, &[]);
        let (store, values) = long_list(&server).await;
        let companion = |what: &str| {
            let names: Vec<String> = server.ask(&["KEYS", &format!("prism:{{*}}:{what}:*")]).unwrap();
            names.concat()
        };
        for is_begun_anew in [false, true] {
            let (pages, _) = begun(&store).await;
            // As if its time were over.
            server.tell(&["DEL", &companion("leases")]);
            if is_begun_anew {
                let (others, first) = begun(&store).await;
                assert!([first, rest(others).await.unwrap()].concat() == values, "{kind:?}");
            }
            let error = rest(pages).await.unwrap_err();
            assert_eq!(error.reason, ErrorReason::ScanInterrupted, "{kind:?}: {error}");
        }
        let (pages, _) = begun(&store).await;
        server.tell(&["ZADD", &companion("ends"), "0", "x"]);
        assert_eq!(rest(pages).await.unwrap_err().reason, ErrorReason::ScanInterrupted, "{kind:?}");
    }
}

#[tokio::test]
async fn a_list_on_a_server_that_accepts_no_writes_is_copied_for_as_long_as_it_does_not() {
    let server = Server::start(Kind::Redis, &[]);
    let (store, values) = long_list(&server).await;
    let required = |replicas| _ = server.tell(&["CONFIG", "SET", "min-replicas-to-write", replicas]);
    required("1");
    let (pages, first) = begun(&store).await;
    assert!([first, rest(pages).await.unwrap()].concat() == values);
    let (pages, _) = begun(&store).await;
    required("0");
    assert_eq!(rest(pages).await.unwrap_err().reason, ErrorReason::ScanInterrupted);
}

#[tokio::test]
async fn values_that_are_removed_while_a_list_is_copied_hide_no_others() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let server = Server::start(kind, &[]);
        let (store, values) = long_list(&server).await;
        let (context, ns, l) = (patient(), namespace, || key("l"));
        let remove = async |value: &'static str, count| {
            store.remove(&context, ns(), l(), value.into(), count).await.unwrap()
        };
        // Before, at and behind the end of the first page, where each copy is.
        let others = [(8, "y"), (79_998, "y")];
        for (place, value) in
            [3, 16_383, 16_384, 20_000, 79_999].map(|place| (place, "x")).into_iter().chain(others)
        {
            store.set_at(&context, ns(), l(), place, value.into()).await.unwrap();
        }
        let (mut pages, mut copied) = begun(&store).await;
        let (others, mut seen) = begun(&store).await;
        store.pop_many(&context, ns(), l(), End::Left, 2).await.unwrap();
        assert_eq!([remove("x", -1).await, remove("x", 2).await], [1, 2]);
        store.push(&context, ns(), l(), End::Left, "x".into()).await.unwrap();
        copied.extend(pages.try_next().await.unwrap().unwrap());
        assert_eq!([remove("7", 1).await, remove("x", 0).await, remove("x", 0).await], [1, 3, 0]);
        assert_eq!([remove("70000", 1).await, remove("50000", -3).await, remove("y", -1).await], [1; 3]);
        let (late, _) = begun(&store).await;
        assert_eq!(remove("60000", 0).await, 1);
        // What comes at the right end is left out for as many as there are less.
        store.push_many(&context, ns(), l(), End::Right, vec!["80001".into(); 4], None).await.unwrap();
        copied.extend(rest(pages).await.unwrap());
        seen.extend(rest(others).await.unwrap());
        let read = |copied: Vec<Bytes>| -> Vec<usize> {
            let texts = copied.iter().map(|value| std::str::from_utf8(value).unwrap());
            texts.filter(|text| !["x", "y"].contains(text)).map(|text| text.parse().unwrap()).collect()
        };
        let gone = [3, 8, 16_383, 16_384, 20_000, 50_000, 60_000, 70_000, 79_998, 79_999];
        let left: Vec<_> = (0..values.len()).filter(|number| !gone.contains(number)).collect();
        assert!(read(copied) == left && read(seen) == left, "{kind:?}");
        let behind = read(rest(late).await.unwrap());
        assert!(left.ends_with(&behind) && behind.len() > 40_000, "{kind:?}");
    }
}

#[tokio::test]
async fn a_copy_goes_on_behind_as_many_removed_values_as_are_counted_and_is_interrupted_by_more() {
    let server = Server::start(Kind::Redis, &[]);
    let (store, mut values) = long_list(&server).await;
    for place in 0..20_001 {
        values[place * 3] = Bytes::from_static(b"x");
    }
    let context = patient();
    let put = store.put_list(&context, namespace(), key("l"), values.clone(), IfExists::Overwrite);
    assert_eq!(put.await, Ok(true));
    let (pages, first) = begun(&store).await;
    let (others, _) = begun(&store).await;
    server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(store.remove(&context, namespace(), key("l"), "x".into(), 10_000).await, Ok(10_000));
    let read = [first, rest(pages).await.unwrap()].concat();
    let others_of =
        |values: &[Bytes]| -> Vec<Bytes> { values.iter().filter(|value| *value != "x").cloned().collect() };
    assert!(others_of(&read) == others_of(&values), "values are missing, or there twice");
    assert_eq!(store.remove(&context, namespace(), key("l"), "x".into(), -1).await, Ok(1));
    assert_eq!(rest(others).await.unwrap_err().reason, ErrorReason::ScanInterrupted);
}

#[tokio::test]
async fn what_is_trimmed_is_read_only_if_deliveries_are_counted() {
    let server = Server::start(Kind::Redis, &[]);
    let (store, _) = long_list(&server).await;
    let (context, ns, l) = (patient(), namespace, || key("l"));
    let lease = Duration::from_secs(600);
    let wanted = Reservation { end: End::Left, count: 2, lease, wait: Duration::ZERO, deliveries: None };
    let (_pages, _) = begun(&store).await;
    store.remove(&context, ns(), l(), "5".into(), 0).await.unwrap();
    let reserved = store.reserve(&context, ns(), l(), wanted).await.unwrap().unwrap();
    let reads = async || {
        server.tell(&["CONFIG", "RESETSTAT"]);
        store.trim(&context, ns(), l(), 10, -10).await.unwrap();
        let pushed = store.push_many(&context, ns(), l(), End::Right, vec!["new".into()], Some(70_000));
        pushed.await.unwrap();
        server.calls("lrange")
    };
    assert_eq!(reads().await, 0, "it is copied, and has a lease");
    store.release(&context, ns(), l(), reserved.lease).await.unwrap();
    assert!(reads().await > 0, "it has values that have been delivered");
}

#[tokio::test]
async fn a_copy_ends_where_its_list_is_cleared_and_is_interrupted_where_it_is_another() {
    let server = Server::start(Kind::Valkey, &[]);
    let (store, values) = long_list(&server).await;
    let (context, ns, l) = (patient(), namespace, || key("l"));
    let put = async |values: Vec<Bytes>| {
        assert_eq!(store.put_list(&context, ns(), l(), values, IfExists::Overwrite).await, Ok(true));
    };
    let (pages, _) = begun(&store).await;
    assert_eq!(store.clear(&context, ns(), l()).await, Ok(80_000));
    assert_eq!(rest(pages).await, Ok(Vec::new()));
    for is_cleared in [true, false] {
        put(values.clone()).await;
        let (pages, _) = begun(&store).await;
        if is_cleared {
            store.clear(&context, ns(), l()).await.unwrap();
        }
        put(vec!["new".into(); 50_000]).await;
        assert_eq!(rest(pages).await.unwrap_err().reason, ErrorReason::ScanInterrupted);
    }
}

#[tokio::test]
async fn what_is_no_list_or_too_long_changes_nothing() {
    let server = Server::start(Kind::Redis, &[]);
    server.tell(&["SET", "text", "a"]);
    let store = store(json!({ "url": server.url(), "layout": "raw" }));
    let context = patient();
    let put = |name: &'static str, count| {
        let values = vec![Bytes::from_static(b"v"); count];
        store.put_list(&context, namespace(), key(name), values, IfExists::Overwrite)
    };
    assert_eq!(put("text", 1).await.unwrap_err().reason, ErrorReason::WrongType);
    assert_eq!(server.ask::<String>(&["GET", "text"]).unwrap(), "a");
    push(&store, "l", "before").await.unwrap();
    let error = put("l", 1_000_001).await.unwrap_err();
    assert_eq!((error.reason, error.fact("limit")), (ErrorReason::MemoryLimit, Some("1000000")));
    assert_eq!(length(&store, "l").await, Ok(1));
}
