//! Calls that are repeated under an idempotency key, as the kit makes them: recall, act, keep.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prism_memstore::MemStore;
use prism_plugin::keyvalue::{Condition, Conditional, KeyValue as _, KeyValueCas as _};
use prism_plugin::list::{End, List as _};
use prism_plugin::retries::{Attempt, IdempotencyKey, IdempotentRetries as _};
use prism_plugin::{Context, Error, ErrorReason};

use super::{assert_full, key, namespace, rest, seconds};

const POP: &str = "/prism.interfaces.list.ListBasicInterface/PopLeft";
const PUSH: &str = "/prism.interfaces.list.ListBasicInterface/PushLeft";
const SET_IF: &str = "/prism.interfaces.keyvalue.KeyValueCasInterface/SetIf";

fn attempt(path: &'static str, client: u128, seq: u64) -> Attempt {
    let key = IdempotencyKey { client, seq, acked: 0 };
    Attempt::new(key, None, "default".to_owned(), path, [0; 32])
}

fn acknowledging(mut attempt: Attempt) -> Attempt {
    attempt.key.acked = attempt.key.seq;
    attempt
}

fn value(bytes: usize) -> Bytes {
    vec![7; bytes].into()
}

async fn set_if(store: &MemStore, context: &Context) -> Result<Conditional, Error> {
    let write = (Bytes::new(), None);
    store.set_if(context, namespace(""), key("k"), write, Condition::Absent, true).await
}

/// A context in which the answer holds the value that stood.
fn repeated() -> Context {
    let attempt = attempt(SET_IF, 1, 1);
    attempt.answers(|ended: &Conditional| ended.current.clone());
    Context::default().attempting(Arc::new(attempt))
}

#[tokio::test]
async fn an_answer_has_room_before_anything_changes() {
    let store = MemStore::new(Some(40_000));
    let context = Context::default();
    store.get_and_set(&context, namespace(""), key("k"), value(10_000), None).await.unwrap();
    assert!(!set_if(&store, &repeated()).await.unwrap().applied);
    store.set_memory_limit(Some(store.totals().bytes + 9_000));
    assert_full(set_if(&store, &repeated()).await);
    assert!(!set_if(&store, &context).await.unwrap().applied, "other calls keep no answer");
    let limit = store.totals().bytes;
    store.set_memory_limit(Some(limit));
    let replaced = store.get_and_delete(&repeated(), namespace(""), key("k")).await.unwrap();
    assert_eq!(replaced.unwrap().len(), 10_000, "a removal makes room for its own answer");
}

#[tokio::test]
async fn in_a_full_store_pops_go_on_and_exceed_the_limit_by_their_records() {
    let store = MemStore::new(Some(100_000));
    let context = Context::default();
    let list = || (namespace(""), key("l"));
    while store.push(&context, list().0, list().1, End::Left, value(100)).await.is_ok() {}
    let mut keys = 0;
    while store.set(&context, namespace(""), key(&keys.to_string()), Bytes::new(), None).await.is_ok() {
        keys += 1;
    }
    assert_full(store.recall(&attempt(PUSH, 1, 0)).await);
    let mut popped = 0;
    for seq in 0.. {
        // The client has all answers before this one.
        let attempt = acknowledging(attempt(POP, 1, seq));
        match store.recall(&attempt).await {
            Ok(answer) => assert_eq!(answer, None),
            Err(error) => panic!("after {popped} values: {error}"),
        }
        let Some(value) = store.pop(&context, list().0, list().1, End::Right).await.unwrap() else { break };
        store.keep(&attempt, &value);
        popped += 1;
        assert!(store.totals().bytes <= 100_000 + 100_000 / 16 + 500);
        assert_eq!(store.recall(&attempt).await.unwrap().unwrap(), value);
    }
    assert!(popped > 400);
}

#[tokio::test(start_paused = true)]
async fn old_answers_are_freed_by_the_task() {
    let store = MemStore::new(None);
    tokio::spawn(store.expiry().run(std::future::pending::<()>()));
    for seq in 0..100 {
        store.keep(&attempt(PUSH, seq.into(), seq), &value(1000));
    }
    let held = store.totals().bytes;
    assert!(held > 100_000);
    seconds(115).await;
    rest().await;
    assert_eq!(store.totals().bytes, held);
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert!(store.totals().bytes < 100_000, "only what is forgotten is known");
    let error = store.recall(&attempt(PUSH, 7, 7)).await.unwrap_err();
    assert_eq!((error.reason, error.fact("applied")), (ErrorReason::IdempotencyWindowPassed, Some("maybe")));
    tokio::time::sleep(Duration::from_secs(700)).await;
    assert_eq!(store.totals().bytes, 0);
}
