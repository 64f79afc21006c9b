//! Batches of keys.

use bytes::Bytes;
use prism_proto::ErrorReason::{self, BatchTooLarge, KeyInvalid, KeyNotFound, TtlInvalid};
use prism_proto::interfaces::keyvalue::{
    BatchDeleteRequest, BatchGetRequest, BatchGetResponse, BatchSetItem, BatchSetRequest, ItemStatus,
};
use prism_proto::limits::BATCH_ITEMS_MAX;
use prism_proto::rpc::keyvalue as rpc;

use super::table;
use crate::conformance::expect::{Verdict, holds, same};
use crate::conformance::trial::Trial;

table! {
    "batch/answers-are-in-the-order-asked",
        "BatchGet returns an answer per key, in the order asked, repeated keys included",
        [KeyValue, Batch], answers_are_in_the_order_asked;
    "batch/get-returns-ttls-if-asked",
        "BatchGet with with_ttl returns what each key has left to live",
        [KeyValue, Batch, Ttl], get_returns_ttls_if_asked;
    "batch/get-returns-more-than-a-message",
        "BatchGet returns values that together are larger than a message",
        [KeyValue, Batch], get_returns_more_than_a_message;
    "batch/one-failing-item-fails-nothing-else",
        "an item that breaks a rule gets its own code and reason, and all others are applied",
        [KeyValue, Batch], one_failing_item_fails_nothing_else;
    "batch/items-apply-in-order",
        "of two items of BatchSet with one key, the later one stands",
        [KeyValue, Batch], items_apply_in_order;
    "batch/delete-says-what-was-there",
        "BatchDelete removes keys, and returns for each whether it was there",
        [KeyValue, Batch], delete_says_what_was_there;
    "batch/items-are-bounded",
        "a batch of 1,000 items is accepted; one of 1,001 gets INVALID_ARGUMENT / BATCH_TOO_LARGE, and nothing is applied",
        [KeyValue, Batch], items_are_bounded;
}

fn item(key: &str, value: impl Into<Bytes>) -> BatchSetItem {
    BatchSetItem { key: key.to_owned(), value: value.into(), ttl_millis: None }
}

fn set(t: &Trial<'_>, items: Vec<BatchSetItem>) -> BatchSetRequest {
    BatchSetRequest { namespace: t.namespace.clone(), items }
}

fn get(t: &Trial<'_>, keys: &[&String], with_ttl: bool) -> BatchGetRequest {
    let keys = keys.iter().map(|key| (*key).clone()).collect();
    BatchGetRequest { namespace: t.namespace.clone(), keys, with_ttl }
}

/// Fails unless an item ended as expected, with `None` for OK.
fn ended(what: &str, status: Option<&ItemStatus>, expected: Option<ErrorReason>) -> Verdict {
    let status = status.cloned().unwrap_or_default();
    let code = expected.map_or(0, |reason| i32::from(reason.code()));
    same(format!("code of {what}"), &status.code, &code)?;
    let reason = expected.map_or(String::new(), |reason| reason.to_string());
    same(format!("reason of {what}"), &status.reason, &reason)
}

fn value(what: &str, answer: &BatchGetResponse, expected: Option<&str>) -> Verdict {
    ended(what, answer.status.as_ref(), if expected.is_some() { None } else { Some(KeyNotFound) })?;
    same(format!("value of {what}"), &answer.value, &expected.unwrap_or_default().to_owned().into())
}

async fn answers_are_in_the_order_asked(t: &Trial<'_>) -> Verdict {
    let keys: Vec<_> = (0..20).map(|n| t.key(&format!("k{n:02}"))).collect();
    let missing = t.key("missing");
    for (n, key) in keys.iter().enumerate() {
        t.set(key, n.to_string()).await?;
    }
    let mut asked: Vec<_> = keys.iter().rev().collect();
    asked.insert(3, &missing);
    asked.push(&keys[7]);
    let answers = t.stream::<rpc::BatchGet>(get(t, &asked, false)).await?;
    same("answers to BatchGet", &answers.len(), &asked.len())?;
    for (at, (key, answer)) in asked.iter().zip(&answers).enumerate() {
        let expected = keys.iter().position(|known| known == *key).map(|n| n.to_string());
        value(&format!("answer {at} of BatchGet"), answer, expected.as_deref())?;
    }
    same("answers to BatchGet of no keys", &t.stream::<rpc::BatchGet>(get(t, &[], false)).await?.len(), &0)
}

async fn get_returns_ttls_if_asked(t: &Trial<'_>) -> Verdict {
    let (lasting, expiring) = (t.key("lasting"), t.key("expiring"));
    t.set(&lasting, "v").await?;
    t.set_for(&expiring, "v", 3600).await?;
    for with_ttl in [true, false] {
        let answers = t.stream::<rpc::BatchGet>(get(t, &[&lasting, &expiring], with_ttl)).await?;
        let left: Vec<_> = answers.iter().map(|answer| answer.ttl_millis_left).collect();
        let is_right = left.len() == 2
            && left[0].is_none()
            && left[1].is_some_and(|left| left <= 3_600_000 && left > 3_500_000) == with_ttl;
        holds(is_right, || {
            format!("BatchGet of a lasting key and one of 3,600 s, with_ttl {with_ttl}: {left:?}")
        })?;
    }
    Ok(())
}

async fn get_returns_more_than_a_message(t: &Trial<'_>) -> Verdict {
    const SIZE: usize = 3 * 512 * 1024;
    let keys: Vec<_> = (0..3).map(|n| t.key(&format!("k{n}"))).collect();
    for key in &keys {
        t.set(key, vec![7; SIZE]).await?;
    }
    let answers = t.stream::<rpc::BatchGet>(get(t, &keys.iter().collect::<Vec<_>>(), false)).await?;
    let sizes: Vec<_> = answers.iter().map(|answer| answer.value.len()).collect();
    same("sizes of values from BatchGet", &sizes, &vec![SIZE; 3])
}

async fn one_failing_item_fails_nothing_else(t: &Trial<'_>) -> Verdict {
    let (first, last) = (t.key("first"), t.key("last"));
    let expired = BatchSetItem { ttl_millis: Some(0), ..item(&t.key("ttl"), "v") };
    let items = vec![item(&first, "1"), item("", "v"), expired, item(&last, "2")];
    let results = t.call::<rpc::BatchSet>(set(t, items)).await?.results;
    same("results of BatchSet", &results.len(), &4)?;
    let expected = [None, Some(KeyInvalid), Some(TtlInvalid), None];
    for (at, (result, expected)) in results.iter().zip(expected).enumerate() {
        ended(&format!("item {at} of BatchSet"), Some(result), expected)?;
    }
    let (empty, long) = (String::new(), "k".repeat(4097));
    let answers = t.stream::<rpc::BatchGet>(get(t, &[&first, &empty, &last, &long], false)).await?;
    same("answers to BatchGet", &answers.len(), &4)?;
    value("the first key", &answers[0], Some("1"))?;
    ended("an empty key", answers[1].status.as_ref(), Some(KeyInvalid))?;
    value("a key behind an invalid one", &answers[2], Some("2"))?;
    ended("a key of 4,097 bytes", answers[3].status.as_ref(), Some(KeyInvalid))?;
    let request = BatchDeleteRequest { namespace: t.namespace.clone(), keys: vec![empty, first.clone()] };
    let results = t.call::<rpc::BatchDelete>(request).await?.results;
    same("results of BatchDelete", &results.len(), &2)?;
    ended("an empty key", results[0].status.as_ref(), Some(KeyInvalid))?;
    ended("a key behind an invalid one", results[1].status.as_ref(), None)?;
    same("Get of a key that BatchDelete removed", &t.get(&first).await?, &None)
}

async fn items_apply_in_order(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    let items = ["1", "2", "3"].map(|value| item(&key, value)).into();
    t.call::<rpc::BatchSet>(set(t, items)).await?;
    same("Get after BatchSet of one key to 1, 2, 3", &t.get(&key).await?, &Some("3".into()))
}

async fn delete_says_what_was_there(t: &Trial<'_>) -> Verdict {
    let (there, missing) = (t.key("there"), t.key("missing"));
    t.set(&there, "v").await?;
    let keys = vec![missing, there.clone(), there.clone()];
    let request = BatchDeleteRequest { namespace: t.namespace.clone(), keys };
    let found: Vec<_> =
        t.call::<rpc::BatchDelete>(request).await?.results.iter().map(|result| result.found).collect();
    same("found of BatchDelete of a missing key, and of a key twice", &found, &vec![false, true, false])?;
    same("Get after BatchDelete", &t.get(&there).await?, &None)
}

async fn items_are_bounded(t: &Trial<'_>) -> Verdict {
    let keys: Vec<_> = (0..=BATCH_ITEMS_MAX).map(|n| t.key(&format!("k{n}"))).collect();
    let items: Vec<_> = keys.iter().map(|key| item(key, "v")).collect();
    let answer = t.try_call::<rpc::BatchSet>(set(t, items.clone())).await;
    t.refused("BatchSet of 1,001 items", answer, &[BatchTooLarge])?;
    same("Get after a refused BatchSet", &t.get(&keys[0]).await?, &None)?;
    let answer = t.try_stream::<rpc::BatchGet>(get(t, &keys.iter().collect::<Vec<_>>(), false)).await;
    t.refused("BatchGet of 1,001 keys", answer, &[BatchTooLarge])?;
    let written = t.call::<rpc::BatchSet>(set(t, items[1..].to_vec())).await?.results;
    same(
        "items of BatchSet of 1,000 that failed",
        &written.iter().filter(|status| status.code != 0).count(),
        &0,
    )?;
    let (namespace, keys) = (t.namespace.clone(), keys.clone());
    let answer = t.try_call::<rpc::BatchDelete>(BatchDeleteRequest { namespace, keys: keys.clone() }).await;
    t.refused("BatchDelete of 1,001 keys", answer, &[BatchTooLarge])?;
    same("Get after a refused BatchDelete", &t.get(&keys[1]).await?, &Some("v".into()))
}
