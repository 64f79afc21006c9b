//! Lists that are replaced in one step, also among data that other applications wrote.

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use prism_plugin::ErrorReason;
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
