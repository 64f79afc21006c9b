//! Lists that are replaced in one step, also among data that other applications wrote.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use prism_plugin::ErrorReason;
use prism_plugin::list::{
    End, List as _, ListBatch as _, ListBlocking as _, ListRange as _, ListReserve as _, Reservation,
};
use prism_plugin::transfer::{IfExists, Transfer as _};
use serde_json::json;

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
        copied.extend(pages.try_next().await.unwrap().unwrap());
        store.release(&context, ns(), l(), lease.lease).await.unwrap();
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
