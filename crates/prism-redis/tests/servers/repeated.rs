//! Each verb under an idempotency key, twice: the second time it is answered as the first, and changes nothing.

use std::time::Duration;

use bytes::Bytes;
use prism_plugin::ErrorReason;
use prism_plugin::KeyValue as _;
use prism_plugin::keyvalue::{
    Condition, Conditional, KeyValueCas as _, KeyValueCounter as _, KeyValueTtl as _,
};
use prism_plugin::list::{
    End, List as _, ListBatch as _, ListBlocking as _, ListIndexing as _, ListRange as _, ListReserve as _,
    Pushed, Reservation,
};
use prism_plugin::types::Ttl;
use prism_redis::RedisStore;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::support::server::{Kind, Server};
use crate::support::store::{call, get, key, namespace, other_call, push_under, store};

/// Makes a call twice, perhaps with a change by others in between, and returns its answer.
macro_rules! twice {
    ($store:expr, $seq:expr, |$context:ident| $called:expr $(, $between:expr)?) => {{
        let $context = &call($seq, 0);
        let first = $called.await.unwrap();
        $($between;)?
        let $context = &call($seq, 0);
        assert_eq!($called.await.unwrap(), first, "call {}", $seq);
        let $context = &other_call($seq);
        let reused = $called.await.unwrap_err();
        assert_eq!(reused.reason, ErrorReason::IdempotencyKeyReused, "call {}: {reused}", $seq);
        first
    }};
}

fn applied(value: Option<&'static str>, applied: bool) -> Conditional {
    Conditional { applied, current: value.map(Bytes::from) }
}

/// Every write of one key or list, whatever its answer looks like.
async fn each_verb_is_applied_once(store: &RedisStore, tell: impl Fn(&[&str]), list: &str, number: &str) {
    let (l, n, ns) = (|| key("{x}l"), || key("{x}n"), namespace);
    let values = || ["a", "b", "c", "d", "e", "e"].map(Bytes::from).to_vec();
    let many = twice!(
        store,
        1,
        |context| store.push_many(context, ns(), l(), End::Right, values(), Some(5)),
        tell(&["RPUSH", list, "f"])
    );
    assert_eq!(many, Pushed { new_length: 5, trimmed: 1 });
    let pushed =
        twice!(store, 2, |context| push_under(store, context, "{x}l", "g"), tell(&["LPUSH", list, "x"]));
    assert_eq!(pushed, 7);
    let popped =
        twice!(store, 3, |context| store.pop(context, ns(), l(), End::Left), tell(&["LPUSH", list, "x"]));
    assert_eq!(popped.unwrap(), "x");
    let popped = twice!(store, 4, |context| store.pop_many(context, ns(), l(), End::Left, 2));
    assert_eq!(popped.concat(), b"xb");
    assert_eq!(twice!(store, 5, |context| store.remove(context, ns(), l(), "e".into(), 0)), 2);
    assert!(twice!(store, 6, |context| store.set_at(context, ns(), l(), 0, "C".into())));
    assert_eq!(twice!(store, 7, |context| store.trim(context, ns(), l(), 0, 1)), 2);
    let wait = Duration::from_secs(20);
    let popped = twice!(
        store,
        8,
        |context| store.blocking_pop(context, ns(), l(), End::Left, wait),
        tell(&["RPUSH", list, "h"])
    );
    assert_eq!(popped.unwrap(), "C");
    let reservation =
        |end, wait| Reservation { end, count: 1, lease: Duration::from_secs(60), wait, deliveries: None };
    for (seq, wait) in [(9, Duration::ZERO), (10, wait)] {
        let reserved =
            twice!(store, seq, |context| store.reserve(context, ns(), l(), reservation(End::Left, wait)));
        let lease = reserved.unwrap().lease;
        let lease = || lease.clone();
        if seq == 9 {
            let released = twice!(store, 11, |context| store.release(context, ns(), l(), lease()));
            assert_eq!(released, Some(1));
        } else {
            let minute = Duration::from_secs(60);
            assert!(twice!(store, 12, |context| store.extend(context, ns(), l(), lease(), minute)));
            assert_eq!(twice!(store, 13, |context| store.ack(context, ns(), l(), lease())), Some(1));
        }
    }
    assert_eq!(twice!(store, 14, |context| store.clear(context, ns(), l()), tell(&["RPUSH", list, "v"])), 1);
    tell(&["DEL", list]);
    // What finds nothing is recorded, too.
    let nothing = [Duration::ZERO, Duration::from_millis(1)];
    for (seq, wait) in (15..).zip(nothing) {
        let found = twice!(
            store,
            seq,
            |context| store.blocking_pop(context, ns(), l(), End::Left, wait),
            tell(&["RPUSH", list, "v"])
        );
        assert_eq!(found, None);
        tell(&["DEL", list]);
        let found = twice!(
            store,
            seq + 10,
            |context| store.reserve(context, ns(), l(), reservation(End::Left, wait)),
            tell(&["RPUSH", list, "v"])
        );
        assert_eq!(found, None);
        tell(&["DEL", list]);
    }
    let popped =
        twice!(store, 17, |context| store.pop(context, ns(), l(), End::Left), tell(&["RPUSH", list, "v"]));
    assert_eq!(popped, None);

    tell(&["SET", number, "9007199254740993"]);
    let sum = twice!(store, 40, |context| store.increment(context, ns(), n(), 1 << 60, 0, None));
    assert_eq!(sum, 9_007_199_254_740_993 + (1 << 60), "all 64 bits");
    let set = twice!(
        store,
        41,
        |context| store.get_and_set(context, ns(), n(), "a".into(), None),
        tell(&["SET", number, "b"])
    );
    assert_eq!(set.unwrap(), "1161928703861587969");
    let new = || (Bytes::from_static(b"new"), None);
    let hash = |value: &[u8]| Condition::EqualsSha256(Sha256::digest(value).into());
    let conditions = [
        (42, Condition::Absent, false, applied(None, false)),
        (43, Condition::Present, false, applied(None, true)),
        (44, Condition::Equals("b".into()), false, applied(None, true)),
        (45, Condition::Differs("x".into()), true, applied(Some("b"), true)),
        (46, hash(b"b"), true, applied(Some("b"), true)),
        (47, hash(b"b"), false, applied(None, true)),
        (48, hash(b"x"), true, applied(Some("b"), false)),
    ];
    for (seq, condition, current, expected) in conditions {
        tell(&["SET", number, "b"]);
        let condition = || condition.clone();
        let set = twice!(
            store,
            seq,
            |context| store.set_if(context, ns(), n(), new(), condition(), current),
            tell(&["SET", number, if seq == 48 { "x" } else { "c" }])
        );
        assert_eq!(set, expected, "call {seq}");
        let now = get(store, "{x}n").await.unwrap();
        assert_eq!(now.as_deref(), Some(if seq == 48 { "x" } else { "c" }), "call {seq}");
        if seq == 42 {
            continue;
        }
        tell(&["SET", number, "b"]);
        let deleted = twice!(
            store,
            seq + 10,
            |context| store.delete_if(context, ns(), n(), condition(), current),
            tell(&["SET", number, if seq == 48 { "x" } else { "b" }])
        );
        assert_eq!(deleted, expected, "call {}", seq + 10);
    }
    tell(&["SET", number, "b"]);
    let ttl = || Ttl::from_secs(60).unwrap();
    assert!(twice!(store, 60, |context| store.expire(context, ns(), n(), ttl())));
    assert_eq!(twice!(store, 61, |context| store.persist(context, ns(), n())), Some(true));
    let deleted =
        twice!(store, 62, |context| store.get_and_delete(context, ns(), n()), tell(&["SET", number, "c"]));
    assert_eq!(deleted.unwrap(), "b");
    assert!(twice!(store, 63, |context| store.delete(context, ns(), n()), tell(&["SET", number, "c"])));
    twice!(store, 64, |context| store.set(context, ns(), n(), "v".into(), None), tell(&["SET", number, "w"]));
    assert_eq!(get(store, "{x}n").await.unwrap().as_deref(), Some("w"));
}

#[tokio::test]
async fn each_verb_is_applied_once_on_a_server() {
    for (kind, layout) in [(Kind::Redis, "prism"), (Kind::Valkey, "prism"), (Kind::Redis, "raw")] {
        let server = Server::start(kind, &[]);
        let store = store(json!({ "url": server.url(), "layout": layout }));
        let tell = |words: &[&str]| _ = server.tell(words);
        let [list, number] = match layout {
            "raw" => ["{x}l", "{x}n"],
            _ => ["li:default:{x}l", "kv:default:{x}n"],
        };
        each_verb_is_applied_once(&store, tell, list, number).await;
    }
}
