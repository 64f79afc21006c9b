//! Pops that wait: who is served when, and what becomes of values that nobody takes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use prism_plugin::list::{End, List as _, ListBlocking as _};
use prism_plugin::{Context, Error, ErrorReason};
use prism_redis::RedisStore;
use serde_json::json;

use crate::support::cluster::Cluster;
use crate::support::relay::Relay;
use crate::support::server::{Kind, Server};
use crate::support::store::{key, length, namespace, patient, push, store};
use crate::support::until;

/// A wait that no test waits out.
const LONG: Duration = Duration::from_secs(50);

type Popped = Result<Option<Bytes>, Error>;

async fn pop(store: RedisStore, name: String, end: End, wait: Duration) -> Popped {
    store.blocking_pop(&Context::default(), namespace(), key(name), end, wait).await
}

/// Waits on a task of its own.
fn wait_for(store: &RedisStore, name: &str, end: End) -> tokio::task::JoinHandle<Popped> {
    tokio::spawn(pop(store.clone(), name.to_owned(), end, LONG))
}

/// Lets the server know the scripts, so that the next answer is that of one.
async fn knows_the_scripts(store: &RedisStore) {
    push(store, "other", "v").await.unwrap();
    assert_eq!(text(pop(store.clone(), "other".to_owned(), End::Left, LONG).await).as_deref(), Some("v"));
}

async fn are_blocked(server: &Server, clients: usize) {
    let blocked = format!("blocked_clients:{clients}\r\n");
    let are_blocked = |info: &String| info.contains(&blocked);
    server.until("so many are blocked", &["INFO", "clients"], are_blocked).await;
}

/// Waits until a list has these values.
async fn has(server: &Server, list: &str, values: &[&str]) {
    let is_right = |now: &Vec<String>| now == values;
    server.until(&format!("the list has {values:?}"), &["LRANGE", list, "0", "-1"], is_right).await;
}

fn values(server: &Server, list: &str) -> Vec<String> {
    server.ask(&["LRANGE", list, "0", "-1"]).unwrap()
}

fn text(popped: Popped) -> Option<String> {
    popped.unwrap().map(|value| String::from_utf8(value.to_vec()).unwrap())
}

#[tokio::test]
async fn waiters_are_served_in_the_order_in_which_they_came() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let server = Server::start(kind, &[]);
        let store = store(json!({ "url": server.url() }));
        // Each is polled once, and has entered then.
        let ends = (0..20).map(|number| if number % 3 == 0 { End::Right } else { End::Left });
        let mut waiting: Vec<_> =
            ends.map(|end| Box::pin(pop(store.clone(), "l".to_owned(), end, LONG))).collect();
        for waiter in &mut waiting {
            assert!(futures_util::poll!(waiter).is_pending());
        }
        let served = tokio::spawn(join_all(waiting));
        are_blocked(&server, 1).await;
        for number in 0..20 {
            push(&store, "l", &number.to_string()).await.unwrap();
        }
        let served: Vec<_> = served.await.unwrap().into_iter().map(text).collect();
        let expected: Vec<_> = (0..20).map(|number| Some(number.to_string())).collect();
        // While values come one by one, either end has the same.
        let mut sorted = served.clone();
        sorted.sort_by_key(|value| value.as_ref().map(|value| value.parse::<u32>().unwrap()));
        assert_eq!(sorted, expected, "each value once");
        let lefts: Vec<_> =
            (0..20).filter(|number| number % 3 != 0).map(|number| served[number].clone()).collect();
        assert!(
            lefts.windows(2).all(|pair| number_of(&pair[0]) < number_of(&pair[1])),
            "those at one end got them in order: {served:?}"
        );
        assert_eq!(length(&store, "l").await.unwrap(), 0);
    }
}

fn number_of(value: &Option<String>) -> u32 {
    value.as_ref().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_wait_of_zero_does_not_wait_and_overtakes_nobody() {
    let server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url() }));
    let none = |name: &str| pop(store.clone(), name.to_owned(), End::Left, Duration::ZERO);
    assert_eq!(none("l").await.unwrap(), None);
    server.tell(&["CONFIG", "RESETSTAT"]);
    push(&store, "other", "v").await.unwrap();
    assert_eq!(text(none("other").await).as_deref(), Some("v"));
    assert_eq!((server.calls("lpop"), server.calls("blmove")), (1, 0));
    let waiting = wait_for(&store, "l", End::Left);
    are_blocked(&server, 1).await;
    assert_eq!(none("l").await.unwrap(), None, "somebody waits already");
    push(&store, "l", "w").await.unwrap();
    assert_eq!(text(waiting.await.unwrap()).as_deref(), Some("w"));
    // The list is still watched, and nobody waits.
    push(&store, "l", "x").await.unwrap();
    assert_eq!(text(none("l").await).as_deref(), Some("x"));
}

#[tokio::test]
async fn a_waiter_that_has_gone_takes_nothing() {
    let server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url() }));
    let waiting = wait_for(&store, "l", End::Left);
    are_blocked(&server, 1).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    push(&store, "l", "v").await.unwrap();
    assert_eq!(values(&server, "li:default:l"), ["v"]);
    are_blocked(&server, 0).await;
    assert_eq!(values(&server, "li:default:l"), ["v"], "to watch a list changes nothing");
}

#[tokio::test]
async fn a_value_whose_waiter_has_gone_is_back_at_its_end_within_two_seconds() {
    for (end, full) in [(End::Left, false), (End::Right, false), (End::Left, true)] {
        let server = Server::start(Kind::Redis, &["--maxmemory-policy", "noeviction"]);
        let relay = Relay::start(server.port).await;
        let store = store(json!({ "url": relay.url(), "connections": 1 }));
        knows_the_scripts(&store).await;
        server.tell(&["RPUSH", "li:default:l", "a", "b", "c"]);
        if full {
            server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
        }
        relay.hold_answers();
        let waiting = wait_for(&store, "l", end);
        let is_popped = |length: &u64| *length == 2;
        server.until("a value is popped", &["LLEN", "li:default:l"], is_popped).await;
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        let begun = Instant::now();
        relay.release_answers();
        has(&server, "li:default:l", &["a", "b", "c"]).await;
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_value_that_the_server_does_not_take_back_is_offered_for_as_long_as_it_is_on_record() {
    let server = Server::start(Kind::Redis, &[]);
    let relay = Relay::start(server.port).await;
    let store = store(json!({ "url": relay.url(), "connections": 1 }));
    knows_the_scripts(&store).await;
    server.tell(&["RPUSH", "li:default:l", "a", "b"]);
    relay.hold_answers();
    let waiting = wait_for(&store, "l", End::Left);
    has(&server, "li:default:l", &["b"]).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    server.tell(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    relay.release_answers();
    let is_refused = |errors: &String| errors.contains("errorstat_NOREPLICAS");
    server.until("it is refused", &["INFO", "errorstats"], is_refused).await;
    // A record lives for 120 s.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(110)).await;
    tokio::time::resume();
    server.tell(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    has(&server, "li:default:l", &["a", "b"]).await;
}

#[tokio::test]
async fn a_value_whose_waiter_has_gone_goes_to_the_next_one() {
    let server = Server::start(Kind::Valkey, &[]);
    let relay = Relay::start(server.port).await;
    let store = store(json!({ "url": relay.url(), "connections": 1 }));
    knows_the_scripts(&store).await;
    server.tell(&["RPUSH", "li:default:l", "a", "b"]);
    relay.hold_answers();
    let mut first = Box::pin(pop(store.clone(), "l".to_owned(), End::Left, LONG));
    assert!(futures_util::poll!(&mut first).is_pending());
    let second = wait_for(&store, "l", End::Left);
    has(&server, "li:default:l", &["b"]).await;
    drop(first);
    relay.release_answers();
    assert_eq!(text(second.await.unwrap()).as_deref(), Some("a"));
    assert_eq!(values(&server, "li:default:l"), ["b"]);
}

#[tokio::test]
async fn a_pop_whose_answer_is_lost_is_not_sent_again() {
    let server = Server::start(Kind::Redis, &[]);
    let relay = Relay::start(server.port).await;
    let store = store(json!({ "url": relay.url(), "connections": 1 }));
    knows_the_scripts(&store).await;
    server.tell(&["RPUSH", "li:default:l", "a", "b"]);
    server.tell(&["CONFIG", "RESETSTAT"]);
    relay.cut_at_next_answer();
    let lost = pop(store.clone(), "l".to_owned(), End::Left, LONG).await.unwrap_err();
    assert_eq!((lost.reason, lost.fact("applied")), (ErrorReason::BackendLost, Some("maybe")), "{lost}");
    assert_eq!((server.calls("lpop"), values(&server, "li:default:l")), (1, vec!["b".to_owned()]));
}

#[tokio::test]
async fn a_wait_outlasts_its_connection() {
    let server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url() }));
    let waiting = wait_for(&store, "l", End::Left);
    are_blocked(&server, 1).await;
    server.tell(&["CLIENT", "KILL", "TYPE", "normal"]);
    are_blocked(&server, 1).await;
    push(&store, "l", "v").await.unwrap();
    assert_eq!(text(waiting.await.unwrap()).as_deref(), Some("v"));
    assert_eq!(length(&store, "l").await.unwrap(), 0);
}

#[tokio::test]
async fn waiters_of_a_server_that_dies_are_told_that_nothing_was_applied() {
    let mut server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url() }));
    let waiting = [wait_for(&store, "l", End::Left), wait_for(&store, "l", End::Left)];
    are_blocked(&server, 1).await;
    server.kill();
    for waiting in waiting {
        let error = waiting.await.unwrap().unwrap_err();
        assert_eq!(
            (error.reason, error.fact("applied")),
            (ErrorReason::BackendUnreachable, Some("no")),
            "{error}"
        );
    }
    server.restart();
    until("calls succeed again", async || push(&store, "l", "v").await.ok()).await;
    assert_eq!(text(wait_for(&store, "l", End::Left).await.unwrap()).as_deref(), Some("v"));
}

#[tokio::test]
async fn at_the_memory_limit_pops_go_on_and_waits_end() {
    let server = Server::start(Kind::Redis, &["--maxmemory-policy", "noeviction"]);
    let store = store(json!({ "url": server.url() }));
    push(&store, "l", "v").await.unwrap();
    server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(text(wait_for(&store, "l", End::Left).await.unwrap()).as_deref(), Some("v"));
    let short = pop(store.clone(), "l".to_owned(), End::Left, Duration::from_millis(250)).await;
    assert_eq!(short.unwrap(), None);
    let waiting = wait_for(&store, "l", End::Left);
    server.tell(&["CONFIG", "SET", "maxmemory", "0"]);
    push(&store, "l", "w").await.unwrap();
    assert_eq!(text(waiting.await.unwrap()).as_deref(), Some("w"));
}

#[tokio::test]
async fn more_lists_than_may_be_watched_are_refused() {
    let server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url(), "max_waiters": 40 }));
    let waiting: Vec<_> = (0..40).map(|number| wait_for(&store, &format!("l{number}"), End::Left)).collect();
    are_blocked(&server, 40).await;
    let refused = pop(store.clone(), "more".to_owned(), End::Left, LONG).await.unwrap_err();
    assert_eq!(
        (refused.reason, refused.fact("limit")),
        (ErrorReason::TooManyInFlight, Some("40")),
        "{refused}"
    );
    // On a list that is watched already there is room.
    let (one, other) = (wait_for(&store, "l0", End::Left), wait_for(&store, "l1", End::Left));
    push(&store, "more", "v").await.unwrap();
    assert_eq!(text(wait_for(&store, "more", End::Left).await.unwrap()).as_deref(), Some("v"));
    for name in ["l0", "l0", "l1", "l1"] {
        push(&store, name, "v").await.unwrap();
    }
    assert!(text(one.await.unwrap()).is_some() && text(other.await.unwrap()).is_some());
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    are_blocked(&server, 0).await;
    let again = wait_for(&store, "more", End::Left);
    are_blocked(&server, 1).await;
    again.abort();
}

#[tokio::test]
async fn a_key_of_another_type_ends_the_wait() {
    let server = Server::start(Kind::Redis, &[]);
    let store = store(json!({ "url": server.url(), "layout": "raw" }));
    server.tell(&["SET", "text", "v"]);
    let wrong = pop(store.clone(), "text".to_owned(), End::Left, LONG).await.unwrap_err();
    assert_eq!(wrong.reason, ErrorReason::WrongType);
    let waiting = wait_for(&store, "later", End::Left);
    are_blocked(&server, 1).await;
    server.tell(&["SET", "later", "v"]);
    assert_eq!(waiting.await.unwrap().unwrap_err().reason, ErrorReason::WrongType);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_value_arrives_once_while_consumers_come_and_go() {
    const VALUES: u32 = 2000;
    let cluster = Cluster::start(Kind::Valkey).await;
    let store = store(json!({ "urls": cluster.urls(), "cluster": true }));
    let consumers: Vec<_> = (0..8)
        .map(|consumer| {
            let store = store.clone();
            tokio::spawn(async move {
                let name = format!("l{}", consumer % 4);
                let mut got = Vec::new();
                loop {
                    // Some give up at once, at any moment of the pop.
                    let patience = Duration::from_micros(fastrand::u64(0..3000));
                    let gives_up = fastrand::u8(0..4) == 0;
                    let popping = pop(store.clone(), name.clone(), End::Left, Duration::from_secs(3));
                    let popped = match gives_up {
                        true => tokio::time::timeout(patience, popping).await.ok(),
                        false => Some(popping.await),
                    };
                    match popped.map(text) {
                        None => {}
                        Some(Some(value)) => got.push(value),
                        Some(None) => return got,
                    }
                }
            })
        })
        .collect();
    for number in 0..VALUES {
        store
            .push(
                &patient(),
                namespace(),
                key(format!("l{}", number % 4)),
                End::Right,
                number.to_string().into(),
            )
            .await
            .unwrap();
    }
    let mut got: Vec<u32> = Vec::new();
    for consumer in consumers {
        got.extend(consumer.await.unwrap().iter().map(|value| value.parse::<u32>().unwrap()));
    }
    for number in 0..4 {
        let name = format!("l{number}");
        while let Some(value) =
            store.pop(&patient(), namespace(), key(name.as_str()), End::Left).await.unwrap()
        {
            got.push(String::from_utf8(value.to_vec()).unwrap().parse().unwrap());
        }
    }
    got.sort_unstable();
    assert_eq!(got, (0..VALUES).collect::<Vec<_>>());
}
