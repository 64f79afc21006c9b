//! Counters.

use futures_util::future::join_all;
use prism_proto::ErrorReason::{CounterOverflow, NotANumber};
use prism_proto::interfaces::keyvalue::{GetTtlRequest, IncrementRequest};
use prism_proto::rpc::keyvalue as rpc;

use super::table;
use crate::conformance::expect::{Verdict, same};
use crate::conformance::trial::Trial;

table! {
    "counter/missing-key-counts-as-initial",
        "Increment of a missing key stores initial + delta, and of another one adds delta",
        [Counter], missing_key_counts_as_initial;
    "counter/value-is-decimal-text",
        "Get returns a counter as decimal text, and Set of such text makes one",
        [KeyValue, Counter], value_is_decimal_text;
    "counter/other-text-is-not-a-number",
        "Increment of a value such as +1, 01, -0, 1.5 or an empty one gets FAILED_PRECONDITION / NOT_A_NUMBER and changes nothing",
        [KeyValue, Counter], other_text_is_not_a_number;
    "counter/overflow-changes-nothing",
        "a sum past 64 bits gets OUT_OF_RANGE / COUNTER_OVERFLOW and changes nothing",
        [KeyValue, Counter], overflow_changes_nothing;
    "counter/existing-key-keeps-its-ttl",
        "Increment sets ttl_millis only on a key that it creates, and an existing key keeps its time to live",
        [KeyValue, Ttl, Counter], existing_key_keeps_its_ttl;
    "counter/increments-are-atomic",
        "concurrent calls of Increment lose nothing",
        [Counter], increments_are_atomic;
}

fn request(t: &Trial<'_>, key: &str, delta: i64) -> IncrementRequest {
    IncrementRequest {
        namespace: t.namespace.clone(),
        key: key.to_owned(),
        delta,
        ..IncrementRequest::default()
    }
}

async fn increment(t: &Trial<'_>, key: &str, delta: i64) -> Verdict<i64> {
    Ok(t.call::<rpc::Increment>(request(t, key, delta)).await?.value)
}

async fn missing_key_counts_as_initial(t: &Trial<'_>) -> Verdict {
    let (plain, offset) = (t.key("plain"), t.key("offset"));
    same("Increment of a missing key by 3", &increment(t, &plain, 3).await?, &3)?;
    same("Increment of 3 by -5", &increment(t, &plain, -5).await?, &-2)?;
    for expected in [107, 114] {
        let request = IncrementRequest { initial: 100, ..request(t, &offset, 7) };
        let value = t.call::<rpc::Increment>(request).await?.value;
        same("Increment by 7 with initial 100", &value, &expected)?;
    }
    Ok(())
}

async fn value_is_decimal_text(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    for (delta, text) in [(-12, "-12"), (12, "0"), (7, "7")] {
        increment(t, &key, delta).await?;
        same("Get of a counter", &t.get(&key).await?, &Some(text.into()))?;
        t.set(&key, text).await?;
    }
    t.set(&key, "-9223372036854775808").await?;
    same("Increment of the least number by 1", &increment(t, &key, 1).await?, &(i64::MIN + 1))
}

async fn other_text_is_not_a_number(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    for text in ["+1", "01", "-0", " 1", "1 ", "1.5", "", "x", "9223372036854775808"] {
        t.set(&key, text).await?;
        let answer = t.try_call::<rpc::Increment>(request(t, &key, 1)).await;
        t.refused(&format!("Increment of {text:?}"), answer, &[NotANumber])?;
        same("Get after a refused Increment", &t.get(&key).await?, &Some(text.into()))?;
    }
    Ok(())
}

async fn overflow_changes_nothing(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    for (value, delta) in [(i64::MAX, 1), (i64::MIN, -1), (i64::MAX, i64::MAX)] {
        t.set(&key, value.to_string()).await?;
        let answer = t.try_call::<rpc::Increment>(request(t, &key, delta)).await;
        t.refused(&format!("Increment of {value} by {delta}"), answer, &[CounterOverflow])?;
        same("Get after a refused Increment", &t.get(&key).await?, &Some(value.to_string().into()))?;
    }
    let missing = t.key("missing");
    let request = IncrementRequest { initial: i64::MAX, ..request(t, &missing, 1) };
    let answer = t.try_call::<rpc::Increment>(request).await;
    t.refused("Increment of a missing key past 64 bits", answer, &[CounterOverflow])?;
    same("Exists after a refused Increment of a missing key", &t.exists(&missing).await?, &false)
}

async fn existing_key_keeps_its_ttl(t: &Trial<'_>) -> Verdict {
    let (created, expiring, lasting) = (t.key("created"), t.key("expiring"), t.key("lasting"));
    t.set(&lasting, "1").await?;
    t.set_for(&expiring, "1", 3600).await?;
    for (key, what, expires) in [
        (&created, "created with ttl_millis", true),
        (&expiring, "set with ttl_seconds", true),
        (&lasting, "set without a time to live", false),
    ] {
        t.call::<rpc::Increment>(IncrementRequest { ttl_millis: Some(3_600_000), ..request(t, key, 1) })
            .await?;
        let request = GetTtlRequest { namespace: t.namespace.clone(), key: key.clone() };
        let left = t.call::<rpc::GetTtl>(request).await?.ttl_millis_left;
        same(format!("whether a counter {what} expires"), &left.is_some(), &expires)?;
    }
    Ok(())
}

async fn increments_are_atomic(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    join_all((0..32).map(|_| increment(t, &key, 1))).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    same("a counter after 32 concurrent increments by 1", &increment(t, &key, 0).await?, &32)
}
