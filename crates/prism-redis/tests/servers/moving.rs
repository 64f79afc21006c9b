//! Lists whose slot moves to another node, key by key: the scripts on them see some of their keys, or none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use prism_plugin::list::{
    DeliveryLimit, End, List as _, ListBatch as _, ListBlocking as _, ListIndexing as _, ListRange as _,
    ListReserve as _, Reservation, Reserved,
};
use prism_plugin::transfer::{IfExists, Transfer as _};
use prism_plugin::{Context, Error, ErrorReason};
use prism_redis::RedisStore;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::support::cluster::{Cluster, Moving};
use crate::support::server::Kind;
use crate::support::store::{call_of, key, length, namespace, patient, push, push_under, store};
use crate::support::until;

/// A wait, and a lease, that no test waits out.
const LONG: Duration = Duration::from_secs(3600);

fn store_on(cluster: &Cluster) -> RedisStore {
    store(json!({ "urls": cluster.urls(), "cluster": true }))
}

fn reservation(count: usize, lease: Duration, wait: Duration, dead: Option<(u32, &str)>) -> Reservation {
    let deliveries = dead.map(|(max, dead)| DeliveryLimit { max, dead_letter: key(dead) });
    Reservation { end: End::Left, count, lease, wait, deliveries }
}

fn texts(values: impl IntoIterator<Item = Bytes>) -> Vec<String> {
    values.into_iter().map(|value| String::from_utf8(value.to_vec()).unwrap()).collect()
}

fn values_of(reserved: Option<Reserved>) -> Vec<String> {
    let values = reserved.map_or_else(Vec::new, |reserved| reserved.values);
    texts(values.into_iter().map(|value| value.value))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_kept_waiting_until_its_deadline_says_that_nothing_was_applied() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let cluster = Cluster::start(kind).await;
        let store = store_on(&cluster);
        let lists: Vec<_> = (0..5).map(|verb| format!("{{q}}{verb}")).collect();
        for list in &lists {
            push(&store, list, "a").await.unwrap();
        }
        // The lists are there, and nothing else of what their scripts ask for.
        let moving = Moving::begin(&cluster, &format!("li:default:{}", lists[0]));
        let wait = Duration::from_millis(100);
        for (verb, list) in lists.iter().enumerate() {
            let context = &Context::default().or_timeout(Duration::from_millis(400));
            let (ns, list, wanted) = (namespace(), key(&**list), |wait| reservation(1, LONG, wait, None));
            let ended: Result<(), Error> = match verb {
                0 => push_under(&store, context, &list, "b").await.map(drop),
                1 => store.pop(context, ns, list, End::Left).await.map(drop),
                2 => store.blocking_pop(context, ns, list, End::Left, wait).await.map(drop),
                3 => store.reserve(context, ns, list, wanted(Duration::ZERO)).await.map(drop),
                _ => store.reserve(context, ns, list, wanted(wait)).await.map(drop),
            };
            let error = ended.unwrap_err();
            assert_eq!(
                (error.reason, error.fact("applied")),
                (ErrorReason::DeadlineExceeded, Some("no")),
                "{kind:?}, verb {verb}: {error}"
            );
        }
        moving.end();
        for list in &lists {
            // Also what is taken then for a waiter that has gone returns.
            let popped = store.blocking_pop(&patient(), namespace(), key(&**list), End::Left, LONG).await;
            assert_eq!((popped.unwrap().unwrap(), length(&store, list).await), ("a".into(), Ok(0)));
        }
    }
}

/// What became of a call, and which values its list had and which it has taken.
type Outcome = (Result<Vec<String>, Error>, &'static [&'static str]);

/// A call on a list with the value b, and a lease of a that has ended.
async fn act(store: &RedisStore, verb: usize, list: &str) -> Outcome {
    let context = &Context::default().or_timeout(Duration::from_millis(300));
    let (ns, l) = (namespace, || key(list));
    let none = |_| Vec::new();
    match verb {
        0 => (store.pop(context, ns(), l(), End::Right).await.map(texts), &["a", "b"]),
        1 => (store.pop_many(context, ns(), l(), End::Left, 9).await.map(texts), &["a", "b"]),
        2 => {
            let wanted = reservation(9, LONG, Duration::ZERO, None);
            (store.reserve(context, ns(), l(), wanted).await.map(values_of), &["a", "b"])
        }
        3 => (store.clear(context, ns(), l()).await.map(none), &[]),
        4 => {
            let put = store.put_list(context, ns(), l(), vec!["c".into()], IfExists::Overwrite);
            (put.await.map(|_| Vec::new()), &["c"])
        }
        5 => (push_under(store, context, list, "c").await.map(none), &["a", "b", "c"]),
        6 => (store.trim(context, ns(), l(), 0, -2).await.map(none), &["a"]),
        7 => (store.remove(context, ns(), l(), "b".into(), 0).await.map(none), &["a"]),
        8 => (store.set_at(context, ns(), l(), -1, "c".into()).await.map(|_| Vec::new()), &["a", "c"]),
        _ => {
            let pushed = store.push_many(context, ns(), l(), End::Right, vec!["c".into()], Some(1));
            (pushed.await.map(|_| Vec::new()), &["c"])
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_empties_keys_of_a_moving_slot_loses_nothing() {
    const VERBS: usize = 10;
    for kind in [Kind::Redis, Kind::Valkey] {
        let cluster = Cluster::start(kind).await;
        let store = store_on(&cluster);
        for (verb, dies) in (0..VERBS).flat_map(|verb| [(verb, false), (verb, true)]) {
            // In a slot of its own, so that what belongs to it is emptied, too.
            let (list, dead) = (format!("{{{verb}{dies}}}l"), format!("{{{verb}{dies}}}dead"));
            push(&store, &list, "a").await.unwrap();
            push(&store, &list, "b").await.unwrap();
            push(&store, &dead, "z").await.unwrap();
            let wanted =
                reservation(1, Duration::from_millis(20), Duration::ZERO, dies.then_some((1, &*dead)));
            let lease = store.reserve(&patient(), namespace(), key(&*list), wanted).await.unwrap().unwrap();
            let moving = Moving::begin(&cluster, &format!("li:default:{list}"));
            moving.passes(Duration::from_millis(30)).await;
            let (outcome, had) = act(&store, verb, &list).await;
            let told = format!("{kind:?}, verb {verb}, dead letter: {dies}: {outcome:?}");
            moving.end();
            let (taken, had) = match outcome {
                Ok(taken) => (taken, had),
                Err(error) => {
                    assert_eq!(error.fact("applied"), Some("no"), "{told}");
                    (Vec::new(), &["a", "b"][..])
                }
            };
            let ack = store.ack(&patient(), namespace(), key(&*list), lease.lease).await.unwrap();
            assert_eq!(ack, None, "{told}");
            let mut left =
                texts(store.pop_many(&patient(), namespace(), key(&*list), End::Left, 99).await.unwrap());
            left.extend(taken);
            let dead =
                texts(store.pop_many(&patient(), namespace(), key(&*dead), End::Left, 99).await.unwrap());
            left.extend(dead.iter().filter(|value| *value != "z").cloned());
            left.sort_unstable();
            // What has died has left before the call.
            let mut had: Vec<_> = had.iter().map(ToString::to_string).collect();
            if dead.contains(&"a".to_owned()) && !had.contains(&"a".to_owned()) {
                had.insert(0, "a".to_owned());
            }
            assert_eq!(left, had, "{told}");
        }
    }
}

/// Everybody who works on one list, and what they have got for good.
struct Work {
    store: RedisStore,
    pushed: AtomicUsize,
    is_over: AtomicBool,
}

impl Work {
    /// Pushes numbers, some of them under idempotency keys.
    async fn produce(self: Arc<Self>) -> Vec<String> {
        let client = fastrand::u128(..);
        while !self.is_over.load(Ordering::SeqCst) {
            let number = self.pushed.fetch_add(1, Ordering::SeqCst);
            let seq = number as u64 + 1;
            let context = if number.is_multiple_of(2) { patient() } else { call_of(client, seq, seq) };
            push_under(&self.store, &context, LIST, &number.to_string()).await.unwrap();
            // Otherwise the list grows.
            while !self.is_over.load(Ordering::SeqCst) && self.is_ahead().await {
                tokio::task::yield_now().await;
            }
        }
        Vec::new()
    }

    async fn is_ahead(&self) -> bool {
        length(&self.store, LIST).await.unwrap() > 50
    }

    /// Takes values in one of several ways, until the work is over.
    async fn consume(self: Arc<Self>, way: usize) -> Vec<String> {
        let (client, mut seq) = (fastrand::u128(..), 0);
        let mut got = Vec::new();
        while !self.is_over.load(Ordering::SeqCst) {
            seq += 1;
            let context = if way.is_multiple_of(2) { patient() } else { call_of(client, seq, seq) };
            got.extend(self.take(&context, way / 2, seq).await);
        }
        got
    }

    async fn take(&self, context: &Context, way: usize, round: u64) -> Vec<String> {
        let (store, wait) = (&self.store, Duration::from_millis(50));
        let popped = match way {
            0 => store.pop(context, namespace(), key(LIST), End::Left).await,
            1 => store.blocking_pop(context, namespace(), key(LIST), End::Right, wait).await,
            _ => {
                let lease = if round.is_multiple_of(3) { Duration::from_millis(100) } else { LONG };
                let wait = if round.is_multiple_of(2) { wait } else { Duration::ZERO };
                let wanted = reservation(3, lease, wait, Some((2, DEAD)));
                let reserved = store.reserve(context, namespace(), key(LIST), wanted).await.unwrap();
                // Some never acknowledge what they have.
                let Some(reserved) = reserved.filter(|_| !round.is_multiple_of(3)) else { return Vec::new() };
                let ack = store.ack(&patient(), namespace(), key(LIST), reserved.lease.clone()).await;
                return if ack.unwrap().is_some() { values_of(Some(reserved)) } else { Vec::new() };
            }
        };
        texts(popped.unwrap())
    }
}

const LIST: &str = "{q}jobs";
const DEAD: &str = "{q}dead";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_value_is_lost_or_doubled_while_a_slot_moves_key_by_key() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let cluster = Cluster::start(kind).await;
        let store = store_on(&cluster);
        let sweeping = {
            let store = store.clone();
            tokio::spawn(async move { store.watch(async |_| {}).await })
        };
        let work =
            Work { store: store.clone(), pushed: AtomicUsize::new(0), is_over: AtomicBool::new(false) };
        let work = Arc::new(work);
        let mut workers: Vec<JoinHandle<Vec<String>>> =
            (0..6).map(|way| tokio::spawn(Arc::clone(&work).consume(way))).collect();
        workers.push(tokio::spawn(Arc::clone(&work).produce()));
        let mut moved = 0;
        for _ in 0..4 {
            let enough = work.pushed.load(Ordering::SeqCst) + 100;
            let goes_on = async || (work.pushed.load(Ordering::SeqCst) > enough).then_some(());
            until("the work goes on", goes_on).await;
            let moving = Moving::begin(&cluster, &format!("li:default:{LIST}"));
            while moving.move_one() {
                moved += 1;
                moving.refuses_calls().await;
            }
            moving.end();
        }
        work.is_over.store(true, Ordering::SeqCst);
        let mut got = Vec::new();
        for worker in workers {
            got.extend(worker.await.unwrap());
        }
        let pushed = work.pushed.load(Ordering::SeqCst);
        until("everything that was reserved is back", async || {
            for list in [LIST, DEAD] {
                got.extend(texts(
                    store.pop_many(&patient(), namespace(), key(list), End::Left, 99).await.unwrap(),
                ));
            }
            (got.len() >= pushed).then_some(())
        })
        .await;
        sweeping.abort();
        let mut got: Vec<usize> = got.iter().map(|value| value.parse().unwrap()).collect();
        got.sort_unstable();
        assert_eq!(got, (0..pushed).collect::<Vec<_>>(), "{kind:?}, {moved} keys");
        assert!(moved >= 16, "{moved} keys");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_returns_to_its_list_while_the_one_for_it_is_at_another_node() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let cluster = Cluster::start(kind).await;
        let store = store_on(&cluster);
        for dead_goes_first in [false, true] {
            let name = |list: &str| format!("{{{dead_goes_first}}}{list}");
            for (list, value) in [("l", "a"), ("l", "b"), ("dead", "z")] {
                push(&store, &name(list), value).await.unwrap();
            }
            let wanted = reservation(1, LONG, Duration::ZERO, Some((1, &name("dead"))));
            let list = || key(name("l"));
            let reserved = store.reserve(&patient(), namespace(), list(), wanted).await.unwrap().unwrap();
            let moving = Moving::begin(&cluster, &format!("li:default:{}", name("l")));
            moving.move_some(&[&format!("li:default:{}", name("dead"))], dead_goes_first);
            let released = store.release(&patient(), namespace(), list(), reserved.lease).await;
            moving.end();
            assert_eq!(released, Ok(Some(1)), "{kind:?}, {dead_goes_first}");
            for (list, values) in [("l", ["b", "a"].as_slice()), ("dead", &["z"])] {
                let left = store.pop_many(&patient(), namespace(), key(name(list)), End::Left, 9).await;
                assert_eq!(texts(left.unwrap()), values, "{kind:?}, {dead_goes_first}");
            }
        }
    }
}

/// Waits until a list has so many values, which the caller does not look at through a store.
async fn has_returned(cluster: &Cluster, list: &str, length: u64) {
    let (primaries, name) = (cluster.primaries(), format!("li:default:{list}"));
    until("values have returned", async || {
        let mut lengths = primaries.iter().map(|node| cluster.nodes[*node].ask(&["LLEN", &name]));
        lengths.any(|now| now == Ok(length)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_are_made_and_end_while_the_index_of_slots_moves() {
    for (kind, has_index) in [(Kind::Redis, true), (Kind::Valkey, true), (Kind::Valkey, false)] {
        let cluster = Cluster::start(kind).await;
        let sweeping = {
            let store = store_on(&cluster);
            tokio::spawn(async move { store.watch(async |_| {}).await })
        };
        let mut moving = None;
        for step in 0..6 {
            // It has not announced anything yet.
            let (store, list) = (store_on(&cluster), format!("l{step}"));
            push(&store, &list, "v").await.unwrap();
            let wanted = reservation(1, LONG, Duration::ZERO, None);
            let reserved = store.reserve(&patient(), namespace(), key(&*list), wanted).await;
            let lease = reserved.unwrap_or_else(|error| panic!("{kind:?}, {step}: {error}")).unwrap().lease;
            let short = Duration::from_millis(50);
            let extended = store.extend(&patient(), namespace(), key(&*list), lease, short).await;
            assert_eq!(extended, Ok(true), "{kind:?}, {step}");
            has_returned(&cluster, &list, 1).await;
            if step == 0 && !has_index {
                cluster.primaries().iter().for_each(|node| _ = cluster.nodes[*node].tell(&["FLUSHALL"]));
            }
            match moving.take() {
                None if step == 0 => moving = Some(Moving::begin(&cluster, "prism:{3560}:looks")),
                Some(moved) if step == 4 => Moving::end(moved),
                Some(moved) => {
                    moved.move_one();
                    moving = Some(moved);
                }
                None => {}
            }
        }
        sweeping.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_does_not_hold_up_the_search_for_leases_in_others() {
    let cluster = Cluster::start(Kind::Valkey).await;
    let store = store_on(&cluster);
    let short = || reservation(1, Duration::from_millis(50), Duration::ZERO, None);
    for value in ["a", "b"] {
        push(&store, "{x}l", value).await.unwrap();
    }
    store.reserve(&patient(), namespace(), key("{x}l"), short()).await.unwrap().unwrap();
    let moving = Moving::begin(&cluster, "li:default:{x}l");
    moving.move_some(&["li:default:{x}l"], true);
    moving.passes(Duration::from_millis(50)).await;
    let sweeping = {
        let store = store.clone();
        tokio::spawn(async move { store.watch(async |_| {}).await })
    };
    moving.refuses_calls().await;
    push(&store, "other", "v").await.unwrap();
    store.reserve(&patient(), namespace(), key("other"), short()).await.unwrap().unwrap();
    let begun = Instant::now();
    has_returned(&cluster, "other", 1).await;
    // A call waits for its slot for 30 s.
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    moving.end();
    until("all of them are", async || (length(&store, "{x}l").await == Ok(2)).then_some(())).await;
    sweeping.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_is_extended_while_its_slot_moves_is_kept() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let cluster = Cluster::start(kind).await;
        let store = store_on(&cluster);
        let list = key("{x}l");
        for value in ["a", "b"] {
            push(&store, &list, value).await.unwrap();
        }
        let wanted = reservation(1, LONG, Duration::ZERO, None);
        let reserved = store.reserve(&patient(), namespace(), list.clone(), wanted).await.unwrap().unwrap();
        // All of it is still where it was.
        let moving = Moving::begin(&cluster, "li:default:{x}l");
        let lease = || reserved.lease.clone();
        let extended = store.extend(&patient(), namespace(), list.clone(), lease(), LONG).await;
        moving.end();
        assert!(extended.unwrap(), "{kind:?}");
        assert_eq!(
            store.release(&patient(), namespace(), list.clone(), lease()).await,
            Ok(Some(1)),
            "{kind:?}"
        );
        assert_eq!(length(&store, &list).await, Ok(2), "{kind:?}");
    }
}
