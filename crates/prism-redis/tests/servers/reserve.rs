//! Values under leases: that they survive the driver, go back where they came from, and are seen by nobody else meanwhile.

use std::time::Duration;

use bytes::Bytes;
use prism_plugin::list::{
    DeliveryLimit, End, List as _, ListBatch as _, ListBlocking as _, ListIndexing as _, ListRange as _,
    ListReserve as _, ListScan as _, Reservation, Reserved,
};
use prism_plugin::{Context, Error, ErrorReason, KeyValue as _};
use prism_redis::RedisStore;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::support::cluster::Cluster;
use crate::support::plugin::Plugin;
use crate::support::relay::Relay;
use crate::support::server::{Kind, Server};
use crate::support::store::{items, key, length, namespace, patient, push, range, set, store};
use crate::support::until;
use prism_plugin::keyvalue::Start;

const LONG: Duration = Duration::from_secs(3600);

fn wanted(end: End, count: usize, lease: Duration) -> Reservation {
    Reservation { end, count, lease, wait: Duration::ZERO, deliveries: None }
}

async fn reserve(store: &RedisStore, list: &str, wanted: Reservation) -> Result<Option<Reserved>, Error> {
    store.reserve(&patient(), namespace(), key(list), wanted).await
}

async fn reserved(store: &RedisStore, list: &str, count: usize, lease: Duration) -> Reserved {
    reserve(store, list, wanted(End::Left, count, lease)).await.unwrap().unwrap()
}

/// The values with their deliveries.
fn shown(reserved: &Reserved) -> String {
    let shown = |value: &prism_plugin::list::ReservedValue| {
        format!("{}{}", String::from_utf8_lossy(&value.value), value.deliveries)
    };
    reserved.values.iter().map(shown).collect::<Vec<_>>().join(" ")
}

async fn ack(store: &RedisStore, list: &str, reserved: &Reserved) -> Option<u64> {
    store.ack(&patient(), namespace(), key(list), reserved.lease.clone()).await.unwrap()
}

async fn release(store: &RedisStore, list: &str, reserved: &Reserved) -> Option<u64> {
    store.release(&patient(), namespace(), key(list), reserved.lease.clone()).await.unwrap()
}

async fn push_all(store: &RedisStore, list: &str, values: &[&'static str]) {
    for value in values {
        push(store, list, value).await.unwrap();
    }
}

fn values(server: &Server, list: &str) -> String {
    server.ask::<Vec<String>>(&["LRANGE", list, "0", "-1"]).unwrap().concat()
}

/// What is left of leases on a server: nothing but the note that there were some.
fn companions(server: &Server) -> Vec<String> {
    let all: Vec<String> = server.ask(&["KEYS", "*prism:{*"]).unwrap();
    let is_note = |name: &String| {
        ["slots", "looks", "shortest"].iter().any(|note| name.ends_with(&format!("}}:{note}")))
    };
    all.into_iter().filter(|name| !is_note(name) && !name.contains("}:answers:")).collect()
}

#[tokio::test]
async fn leases_that_end_while_no_driver_runs_have_returned_their_values() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let server = Server::start(kind, &[]);
        let lease = Duration::from_millis(300);
        {
            let store = store(json!({ "url": server.url() }));
            push_all(&store, "l", &["a", "b", "c", "d", "e", "f"]).await;
            // Made one after the other, at both ends.
            assert_eq!(shown(&reserved(&store, "l", 2, lease).await), "a1 b1");
            assert_eq!(shown(&reserved(&store, "l", 1, lease).await), "c1");
            let right = reserve(&store, "l", wanted(End::Right, 2, lease)).await.unwrap().unwrap();
            assert_eq!(shown(&right), "f1 e1");
        }
        server.passes(lease).await;
        assert_eq!(values(&server, "li:default:l"), "d", "nobody has looked yet");
        let store = store(json!({ "url": server.url() }));
        assert_eq!(length(&store, "l").await.unwrap(), 6);
        assert_eq!(values(&server, "li:default:l"), "abcdef");
        assert_eq!(shown(&reserved(&store, "l", 9, LONG).await), "a2 b2 c2 d1 e2 f2");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_that_is_started_later_returns_the_values_that_nobody_asks_for() {
    let cluster = Cluster::start(Kind::Valkey).await;
    let options = json!({ "urls": cluster.urls(), "cluster": true });
    let lease = Duration::from_millis(300);
    let lists: Vec<_> = (0..40).map(|number| format!("l{number}")).collect();
    {
        let store = store(options.clone());
        for list in &lists {
            push_all(&store, list, &["a", "b"]).await;
            assert_eq!(shown(&reserved(&store, list, 2, lease).await), "a1 b1");
        }
    }
    let primaries: Vec<_> = cluster.primaries();
    let lengths = || {
        let asked = primaries.iter().map(|primary| {
            let names: Vec<String> = cluster.nodes[*primary].ask(&["KEYS", "li:default:*"]).unwrap();
            names.len()
        });
        asked.sum::<usize>()
    };
    assert_eq!(lengths(), 0, "a list whose values are reserved is gone");
    let plugin = Plugin::start(options).await;
    until("the values are back", async || (lengths() == lists.len()).then_some(())).await;
    for list in &lists {
        assert_eq!(length(&plugin.store, list).await.unwrap(), 2, "{list}");
        let again = reserved(&plugin.store, list, 2, LONG).await;
        assert_eq!((shown(&again), ack(&plugin.store, list, &again).await), ("a2 b2".to_owned(), Some(2)));
    }
    for primary in &primaries {
        assert_eq!(companions(&cluster.nodes[*primary]), [""; 0]);
    }
    plugin.stop().await;
}

/// Looks for ended leases until it is aborted.
fn sweep(store: &RedisStore) -> JoinHandle<()> {
    let store = store.clone();
    tokio::spawn(async move { store.watch(async |_| {}).await })
}

async fn has(server: &Server, list: &str, values: &[&str]) {
    let is_right = |now: &Vec<String>| now == values;
    server.until(&format!("{list} has {values:?}"), &["LRANGE", list, "0", "-1"], is_right).await;
}

#[tokio::test]
async fn lists_whose_leases_do_not_end_are_not_looked_at() {
    const LISTS: usize = 200;
    let server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url() }));
    for number in 0..LISTS {
        let list = format!("l{number}");
        push(&store, &list, "v").await.unwrap();
        reserved(&store, &list, 1, LONG).await;
    }
    let sweeping = sweep(&store);
    server.tell(&["CONFIG", "RESETSTAT"]);
    server.passes(Duration::from_secs(2)).await;
    until("ended leases are looked for", async || (server.calls("evalsha") > 0).then_some(())).await;
    assert!(server.calls("evalsha") < LISTS as u64 / 4, "{} calls", server.calls("evalsha"));
    sweeping.abort();
}

#[tokio::test]
async fn a_lease_that_another_process_makes_is_looked_at_when_it_ends() {
    let server = Server::start(Kind::Valkey, &[]);
    let (one, other) = (store(json!({ "url": server.url() })), store(json!({ "url": server.url() })));
    let sweeping = sweep(&one);
    push_all(&other, "l", &["a", "b", "c"]).await;
    reserved(&other, "l", 1, LONG).await;
    let short = Duration::from_millis(200);
    reserved(&other, "l", 1, short).await;
    has(&server, "li:default:l", &["b", "c"]).await;
    // Also of an earlier version, which says when it makes leases, but not how short they are.
    for index in ["looks", "shortest"] {
        server.tell(&["DEL", &format!("prism:{{3560}}:{index}")]);
    }
    reserved(&other, "l", 1, short).await;
    sweeping.abort();
    let sweeping = sweep(&one);
    has(&server, "li:default:l", &["b", "c"]).await;
    sweeping.abort();
}

#[tokio::test]
async fn a_lease_that_is_made_long_after_it_was_announced_is_looked_at_when_it_ends() {
    let server = Server::start(Kind::Redis, &[]);
    let (one, other) = (store(json!({ "url": server.url() })), store(json!({ "url": server.url() })));
    let sweeping = sweep(&one);
    let wanted = Reservation { wait: LONG, ..wanted(End::Left, 1, Duration::from_millis(100)) };
    let waiting = tokio::spawn(async move {
        other.reserve(&Context::default(), namespace(), key("l"), wanted).await.unwrap().unwrap()
    });
    let is_announced = |slots: &u64| *slots == 1;
    server.until("it is announced", &["ZCARD", "prism:{3560}:looks"], is_announced).await;
    server.passes(Duration::from_secs(2)).await;
    server.tell(&["RPUSH", "li:default:l", "v"]);
    assert_eq!(shown(&waiting.await.unwrap()), "v1");
    has(&server, "li:default:l", &["v"]).await;
    // Nobody looks any more at a slot without leases once none can be on its way.
    let slots: Vec<String> = server.ask(&["ZRANGE", "prism:{3560}:slots", "0", "-1"]).unwrap();
    server.tell(&["ZADD", "prism:{3560}:slots", "1000000000", &slots.concat()]);
    for index in ["slots", "looks", "shortest"] {
        let is_gone = |keys: &u64| *keys == 0;
        server.until("nothing is left", &["EXISTS", &format!("prism:{{3560}}:{index}")], is_gone).await;
    }
    sweeping.abort();
}

#[tokio::test]
async fn every_verb_first_returns_what_ended_leases_had_whoever_made_them() {
    let server = Server::start(Kind::Redis, &[]);
    let (one, other) = (store(json!({ "url": server.url() })), store(json!({ "url": server.url() })));
    let lease = Duration::from_millis(100);
    let context = &patient();
    for verb in 0..14 {
        let list = format!("l{verb}");
        push_all(&one, &list, &["a", "b", "c"]).await;
        let (ended, again) = (reserved(&one, &list, 2, lease).await, || key(list.as_str()));
        server.passes(lease).await;
        let value = || Bytes::from_static(b"v");
        let left = match verb {
            0 => (length(&other, &list).await.unwrap() == 3).then_some("abc"),
            1 => (push(&other, &list, "d").await.unwrap() == 4).then_some("abcd"),
            2 => other.pop(context, namespace(), again(), End::Left).await.unwrap().map(|_| "bc"),
            3 => other.get_at(context, namespace(), again(), 0).await.unwrap().map(|_| "abc"),
            4 => other.set_at(context, namespace(), again(), 0, value()).await.unwrap().then_some("vbc"),
            5 => {
                assert_eq!(other.remove(context, namespace(), again(), "a".into(), 0).await, Ok(1));
                Some("bc")
            }
            6 => {
                assert_eq!(other.trim(context, namespace(), again(), 0, 1).await, Ok(2));
                Some("ab")
            }
            7 => {
                assert_eq!(other.clear(context, namespace(), again()).await, Ok(3));
                Some("")
            }
            8 => {
                let values = vec![value()];
                let pushed = other.push_many(context, namespace(), again(), End::Right, values, Some(3));
                assert_eq!(pushed.await.unwrap().trimmed, 1);
                Some("bcv")
            }
            9 => {
                let popped = other.pop_many(context, namespace(), again(), End::Left, 2).await.unwrap();
                assert_eq!(popped.concat(), b"ab");
                Some("c")
            }
            10 => {
                let range = other.range(context, namespace(), again(), 0, -1);
                let pages: Vec<_> = futures_util::TryStreamExt::try_collect(range).await.unwrap();
                assert_eq!(pages.concat().concat(), b"abc");
                Some("abc")
            }
            11 => {
                let popped = other.blocking_pop(context, namespace(), again(), End::Left, LONG).await;
                assert_eq!(popped.unwrap().unwrap(), "a");
                Some("bc")
            }
            12 => {
                assert_eq!(shown(&reserved(&other, &list, 1, LONG).await), "a2");
                Some("bc")
            }
            _ => {
                assert_eq!(ack(&other, &list, &ended).await, None, "it has ended");
                assert_eq!(release(&other, &list, &ended).await, None);
                let minute = Duration::from_secs(60);
                let extended = other.extend(context, namespace(), again(), ended.lease.clone(), minute);
                assert_eq!(extended.await, Ok(false));
                Some("abc")
            }
        };
        assert_eq!(left, Some(&*values(&server, &format!("li:default:{list}"))), "verb {verb}");
    }
}

#[tokio::test]
async fn a_plain_clients_values_are_reserved_and_returned_as_they_are() {
    let server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url(), "layout": "raw" }));
    server.tell(&["RPUSH", "jobs", "a", "b", "c"]);
    let lease = reserved(&store, "jobs", 2, LONG).await;
    assert_eq!((shown(&lease), values(&server, "jobs")), ("a1 b1".to_owned(), "c".to_owned()));
    server.tell(&["LPUSH", "jobs", "x"]);
    let lists = items(store.scan_lists(&patient(), range("", Start::Beginning, None))).await.unwrap();
    let lists: Vec<_> = lists.into_iter().map(|(list, length)| (list.into_string(), length)).collect();
    assert_eq!(lists, [("jobs".to_owned(), 2)], "what belongs to a list is no list");
    let keys = items(store.scan_keys(&patient(), range("", Start::Beginning, None))).await.unwrap();
    assert_eq!(keys.len(), 0, "nor a key");
    assert_eq!(release(&store, "jobs", &lease).await, Some(2));
    assert_eq!(values(&server, "jobs"), "abxc");
    server.tell(&["LPOP", "jobs"]);
    assert_eq!(shown(&reserved(&store, "jobs", 3, LONG).await), "b2 x1 c1");

    // The list becomes something else while its values are reserved: they wait for it to become one again.
    server.tell(&["SET", "jobs", "text"]);
    let short = Duration::from_millis(50);
    server.tell(&["RPUSH", "more", "v"]);
    let lease = reserved(&store, "more", 1, short).await;
    server.tell(&["SET", "more", "text"]);
    server.passes(short).await;
    let wrong = length(&store, "more").await.unwrap_err();
    assert_eq!(wrong.reason, ErrorReason::WrongType);
    server.tell(&["DEL", "more"]);
    assert_eq!((length(&store, "more").await, ack(&store, "more", &lease).await), (Ok(1), None));
    let dead = Some(DeliveryLimit { max: 1, dead_letter: key("text") });
    server.tell(&["SET", "text", "v"]);
    let wanted = Reservation { deliveries: dead, ..wanted(End::Left, 1, LONG) };
    assert_eq!(reserve(&store, "more", wanted).await.unwrap_err().reason, ErrorReason::WrongType);
    assert_eq!(values(&server, "more"), "v");
}

#[tokio::test]
async fn a_dead_letter_list_in_another_slot_is_refused_before_anything_changes() {
    let cluster = Cluster::start(Kind::Redis).await;
    let store = store(json!({ "urls": cluster.urls(), "cluster": true }));
    push_all(&store, "{jobs}todo", &["a", "b"]).await;
    let wanted = |dead: &str| {
        let deliveries = Some(DeliveryLimit { max: 1, dead_letter: key(dead) });
        Reservation { deliveries, ..wanted(End::Left, 1, LONG) }
    };
    let refused = reserve(&store, "{jobs}todo", wanted("dead")).await.unwrap_err();
    assert_eq!(
        (refused.reason, refused.fact("field")),
        (ErrorReason::CrossSlot, Some("dead_letter_list_key")),
        "{refused}"
    );
    assert_eq!(length(&store, "{jobs}todo").await.unwrap(), 2);
    let lease = reserve(&store, "{jobs}todo", wanted("{jobs}dead")).await.unwrap().unwrap();
    assert_eq!(release(&store, "{jobs}todo", &lease).await, Some(1));
    assert_eq!(length(&store, "{jobs}dead").await.unwrap(), 1);
    assert_eq!(release(&store, "{jobs}todo", &lease).await, None, "a second time");
    assert_eq!(ack(&store, "{jobs}todo", &lease).await, None);
    let other = reserved(&store, "{jobs}todo", 1, LONG).await;
    assert_eq!(ack(&store, "{jobs}dead", &other).await, None, "a lease of another list");
    assert_eq!(
        (ack(&store, "{jobs}todo", &other).await, ack(&store, "{jobs}todo", &other).await),
        (Some(1), None)
    );
}

#[tokio::test]
async fn deliveries_are_those_of_values_in_the_list() {
    let server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url() }));
    let long: &'static str = "a value that is longer than the field for it may be";
    push_all(&store, "l", &["a", "a", long, "b"]).await;
    for expected in ["a1", "a2"] {
        let lease = reserved(&store, "l", 1, LONG).await;
        assert_eq!(shown(&lease), expected);
        release(&store, "l", &lease).await.unwrap();
    }
    let lease = reserved(&store, "l", 3, LONG).await;
    assert_eq!(shown(&lease), format!("a3 a1 {long}1"), "equal values are told apart");
    release(&store, "l", &lease).await.unwrap();
    // Whatever takes a value out of the list takes its deliveries along.
    store.pop(&patient(), namespace(), key("l"), End::Left).await.unwrap().unwrap();
    store.remove(&patient(), namespace(), key("l"), "a".into(), 0).await.unwrap();
    store.trim(&patient(), namespace(), key("l"), 1, -1).await.unwrap();
    for value in [long, "a", "a"] {
        store.push(&patient(), namespace(), key("l"), End::Left, value.into()).await.unwrap();
    }
    let lease = reserved(&store, "l", 9, LONG).await;
    assert_eq!(shown(&lease), format!("a1 a1 {long}1 b1"));
    release(&store, "l", &lease).await.unwrap();
    store.set_at(&patient(), namespace(), key("l"), 3, "c".into()).await.unwrap();
    store.set_at(&patient(), namespace(), key("l"), 3, "b".into()).await.unwrap();
    store.pop_many(&patient(), namespace(), key("l"), End::Left, 3).await.unwrap();
    let lease = reserved(&store, "l", 9, LONG).await;
    assert_eq!(shown(&lease), "b1");
    assert_eq!(ack(&store, "l", &lease).await, Some(1));
    assert_eq!(companions(&server), [""; 0], "nothing is left");

    push_all(&store, "l", &["a", "b"]).await;
    let _lost = reserved(&store, "l", 1, LONG).await;
    assert_eq!(store.clear(&patient(), namespace(), key("l")).await, Ok(1));
    assert_eq!((length(&store, "l").await, companions(&server)), (Ok(0), Vec::new()));
}

#[tokio::test]
async fn many_values_move_to_the_dead_letter_list_before_one_is_delivered() {
    let server = Server::start(Kind::Valkey, &[]);
    let store = store(json!({ "url": server.url() }));
    for _ in 0..3 {
        let values = (0..1000).map(|number| number.to_string().into()).collect();
        store.push_many(&patient(), namespace(), key("l"), End::Right, values, None).await.unwrap();
    }
    for _ in 0..3 {
        reserved(&store, "l", 1000, Duration::from_millis(200)).await;
    }
    server.passes(Duration::from_millis(300)).await;
    push_all(&store, "l", &["fresh"]).await;
    assert_eq!(length(&store, "l").await.unwrap(), 3001);
    let deliveries = Some(DeliveryLimit { max: 1, dead_letter: key("dead") });
    for wait in [Duration::ZERO, LONG] {
        let wanted = Reservation { deliveries: deliveries.clone(), wait, ..wanted(End::Left, 1, LONG) };
        let lease = reserve(&store, "l", wanted).await.unwrap().unwrap();
        assert_eq!(shown(&lease), "fresh1");
        assert_eq!(length(&store, "dead").await.unwrap(), 3000);
        ack(&store, "l", &lease).await.unwrap();
        push_all(&store, "l", &["fresh"]).await;
    }
}

#[tokio::test]
async fn at_the_memory_limit_queues_go_on() {
    let server = Server::start(Kind::Redis, &["--maxmemory-policy", "noeviction"]);
    let store = store(json!({ "url": server.url() }));
    push_all(&store, "l", &["a", "b", "c"]).await;
    let lease = Duration::from_millis(100);
    let first = reserved(&store, "l", 1, lease).await;
    server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
    let longer = store.extend(&patient(), namespace(), key("l"), first.lease.clone(), LONG).await;
    assert_eq!(longer, Ok(true));
    let shorter = store.extend(&patient(), namespace(), key("l"), first.lease, lease).await;
    assert_eq!(shorter, Ok(true));
    let second = reserved(&store, "l", 1, LONG).await;
    assert_eq!(shown(&second), "b1");
    server.passes(lease).await;
    assert_eq!(release(&store, "l", &second).await, Some(1));
    assert_eq!(values(&server, "li:default:l"), "bac", "each at the end it came from");
    let third = reserved(&store, "l", 3, LONG).await;
    assert_eq!((shown(&third), ack(&store, "l", &third).await), ("b2 a2 c1".to_owned(), Some(3)));
    let another = crate::support::store::store(json!({ "url": server.url() }));
    assert_eq!(reserve(&another, "other", wanted(End::Left, 1, LONG)).await, Ok(None));
}

#[tokio::test]
async fn what_was_reserved_for_a_waiter_that_has_gone_was_not_delivered() {
    let server = Server::start(Kind::Redis, &[]);
    let relay = Relay::start(server.port).await;
    let store = store(json!({ "url": relay.url(), "connections": 1 }));
    set(&store, "warm", "v").await.unwrap();
    let waits = |list: &'static str| {
        let (store, wanted) = (store.clone(), Reservation { wait: LONG, ..wanted(End::Left, 2, LONG) });
        tokio::spawn(async move { store.reserve(&Context::default(), namespace(), key(list), wanted).await })
    };
    push(&store, "other", "v").await.unwrap();
    assert_eq!(shown(&waits("other").await.unwrap().unwrap().unwrap()), "v1");
    server.tell(&["RPUSH", "li:default:other", "a", "b", "c"]);
    relay.hold_answers();
    let waiting = waits("other");
    let is_reserved = |length: &u64| *length == 1;
    server.until("values are reserved", &["LLEN", "li:default:other"], is_reserved).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    relay.release_answers();
    let is_back = |length: &u64| *length == 3;
    server.until("they are back", &["LLEN", "li:default:other"], is_back).await;
    // Until its driver knows that they are, nobody else is served.
    let again = async || reserve(&store, "other", wanted(End::Left, 3, LONG)).await.unwrap();
    assert_eq!(shown(&until("they are reserved again", again).await), "a1 b1 c1");

    let waiting = waits("later");
    let is_blocked = |info: &String| info.contains("blocked_clients:1");
    server.until("it waits", &["INFO", "clients"], is_blocked).await;
    push(&store, "later", "v").await.unwrap();
    assert_eq!(shown(&waiting.await.unwrap().unwrap().unwrap()), "v1");
}

#[tokio::test]
async fn leases_are_kept_in_the_servers_time_and_outlast_it() {
    let mut server = Server::start(Kind::Redis, &["--appendonly", "yes"]);
    let store = store(json!({ "url": server.url() }));
    push_all(&store, "l", &["a", "b"]).await;
    let lease = reserved(&store, "l", 1, LONG).await;
    server.kill();
    server.restart();
    until("calls succeed again", async || length(&store, "l").await.ok()).await;
    assert_eq!((length(&store, "l").await, ack(&store, "l", &lease).await), (Ok(1), Some(1)));
}
