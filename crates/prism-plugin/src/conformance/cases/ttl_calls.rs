//! Times to live in milliseconds, read, replaced and removed.

use std::time::Instant;

use prism_proto::ErrorReason::{KeyNotFound, TtlInvalid};
use prism_proto::interfaces::keyvalue::{
    ExpireRequest, GetRequest, GetResponse, GetTtlRequest, PersistRequest, SetRequest,
};
use prism_proto::limits::TTL_MAX;
use prism_proto::rpc::keyvalue as rpc;

use super::table;
use crate::conformance::expect::{Verdict, holds, same};
use crate::conformance::trial::Trial;

table! {
    "ttl/millis-are-kept",
        "Set with ttl_millis creates a key that expires after so many milliseconds",
        [KeyValue, Ttl], millis_are_kept;
    "ttl/millis-are-checked",
        "ttl_millis below 1 or over 100 years, or together with ttl_seconds, gets INVALID_ARGUMENT / TTL_INVALID and changes nothing",
        [KeyValue, Ttl], millis_are_checked;
    "ttl/get-returns-ttl-if-asked",
        "Get with with_ttl returns what is left to live, and nothing for a key that does not expire",
        [KeyValue, Ttl], get_returns_ttl_if_asked;
    "ttl/get-ttl-returns-what-is-left",
        "GetTtl returns what is left to live, and nothing for a key that does not expire",
        [KeyValue, Ttl], get_ttl_returns_what_is_left;
    "ttl/missing-key-has-no-ttl",
        "GetTtl, Expire and Persist of a missing key get NOT_FOUND / KEY_NOT_FOUND",
        [Ttl], missing_key_has_no_ttl;
    "ttl/expire-is-checked",
        "Expire with ttl_millis below 1 or over 100 years gets INVALID_ARGUMENT / TTL_INVALID and changes nothing",
        [KeyValue, Ttl], expire_is_checked;
    "ttl/expire-replaces-ttl",
        "Expire gives a key another time to live, longer or shorter, or its first one",
        [KeyValue, Ttl], expire_replaces_ttl;
    "ttl/expire-keeps-the-value",
        "Expire does not touch the value",
        [KeyValue, Ttl], expire_keeps_the_value;
    "ttl/persist-removes-ttl",
        "Persist removes the time to live, and returns whether there was one",
        [KeyValue, Ttl], persist_removes_ttl;
}

/// Times to live that are refused.
fn invalid() -> [i64; 4] {
    let max = i64::try_from(TTL_MAX.as_millis()).unwrap_or(i64::MAX);
    [0, -1, max + 1, i64::MAX]
}

async fn set(t: &Trial<'_>, key: &str, ttl_millis: Option<i64>) -> Verdict {
    let (namespace, key) = (t.namespace.clone(), key.to_owned());
    let request = SetRequest { namespace, key, value: "v".into(), ttl_millis, ..SetRequest::default() };
    t.call::<rpc::Set>(request).await.map(drop)
}

async fn get_with_ttl(t: &Trial<'_>, key: &str) -> Verdict<GetResponse> {
    t.call::<rpc::Get>(GetRequest { namespace: t.namespace.clone(), key: key.to_owned(), with_ttl: true })
        .await
}

async fn ttl_left(t: &Trial<'_>, key: &str) -> Verdict<Option<i64>> {
    let request = GetTtlRequest { namespace: t.namespace.clone(), key: key.to_owned() };
    Ok(t.call::<rpc::GetTtl>(request).await?.ttl_millis_left)
}

fn expire(t: &Trial<'_>, key: &str, ttl_millis: i64) -> ExpireRequest {
    ExpireRequest { namespace: t.namespace.clone(), key: key.to_owned(), ttl_millis }
}

fn is_about(what: &str, left: Option<i64>, set: i64) -> Verdict {
    // What a slow run may have used up.
    const TOLERANCE: i64 = 60_000;
    let is_about = left.is_some_and(|left| left <= set && left > set - TOLERANCE);
    holds(is_about, || format!("{what}: expected a little less than {set} ms, got {left:?}"))
}

async fn millis_are_kept(t: &Trial<'_>) -> Verdict {
    let short = t.key("short");
    set(t, &short, Some(900)).await?;
    t.expired(Instant::now(), 1).await;
    // With both, so that this does not fail if just one of them ignores expiry.
    let is_there = t.get(&short).await?.is_some() && t.exists(&short).await?;
    holds(!is_there, || "Get and Exists see a key 1 s after Set with ttl_millis 900".to_owned())
}

async fn millis_are_checked(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    t.set(&key, "before").await?;
    let request = SetRequest {
        namespace: t.namespace.clone(),
        key: key.clone(),
        value: "after".into(),
        ..SetRequest::default()
    };
    for ttl in invalid() {
        let answer = t.try_call::<rpc::Set>(SetRequest { ttl_millis: Some(ttl), ..request.clone() }).await;
        t.refused(&format!("Set with ttl_millis {ttl}"), answer, &[TtlInvalid])?;
    }
    let both = SetRequest { ttl_seconds: Some(60), ttl_millis: Some(60_000), ..request };
    let answer = t.try_call::<rpc::Set>(both).await;
    t.refused("Set with ttl_seconds and ttl_millis", answer, &[TtlInvalid])?;
    same("Get after refused Sets", &t.get(&key).await?, &Some("before".into()))
}

async fn get_returns_ttl_if_asked(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    set(t, &key, Some(3_600_000)).await?;
    let got = get_with_ttl(t, &key).await?;
    same("value of Get with with_ttl", &got.value, &"v".into())?;
    is_about("Get with with_ttl", got.ttl_millis_left, 3_600_000)?;
    set(t, &key, None).await?;
    same(
        "ttl_millis_left of a key that does not expire",
        &get_with_ttl(t, &key).await?.ttl_millis_left,
        &None,
    )
}

async fn get_ttl_returns_what_is_left(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    set(t, &key, Some(3_600_000)).await?;
    is_about("GetTtl", ttl_left(t, &key).await?, 3_600_000)?;
    let lasting = t.key("lasting");
    set(t, &lasting, None).await?;
    same("GetTtl of a key that does not expire", &ttl_left(t, &lasting).await?, &None)
}

async fn missing_key_has_no_ttl(t: &Trial<'_>) -> Verdict {
    let (namespace, key) = (t.namespace.clone(), t.key("missing"));
    let request = GetTtlRequest { namespace: namespace.clone(), key: key.clone() };
    t.refused("GetTtl of a missing key", t.try_call::<rpc::GetTtl>(request).await, &[KeyNotFound])?;
    let answer = t.try_call::<rpc::Expire>(expire(t, &key, 1000)).await;
    t.refused("Expire of a missing key", answer, &[KeyNotFound])?;
    let answer = t.try_call::<rpc::Persist>(PersistRequest { namespace, key }).await;
    t.refused("Persist of a missing key", answer, &[KeyNotFound])
}

async fn expire_is_checked(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    set(t, &key, None).await?;
    for ttl in invalid() {
        let answer = t.try_call::<rpc::Expire>(expire(t, &key, ttl)).await;
        t.refused(&format!("Expire with ttl_millis {ttl}"), answer, &[TtlInvalid])?;
    }
    same("GetTtl after refused calls of Expire", &ttl_left(t, &key).await?, &None)
}

async fn expire_replaces_ttl(t: &Trial<'_>) -> Verdict {
    let (longer, shorter, first) = (t.key("longer"), t.key("shorter"), t.key("first"));
    set(t, &longer, Some(60_000)).await?;
    set(t, &shorter, Some(3_600_000)).await?;
    set(t, &first, None).await?;
    for (key, ttl) in [(&longer, 3_600_000), (&shorter, 500), (&first, 500)] {
        t.call::<rpc::Expire>(expire(t, key, ttl)).await?;
    }
    t.expired(Instant::now(), 1).await;
    same("Get of a key with another hour to live", &t.get(&longer).await?, &Some("v".into()))?;
    for key in [&shorter, &first] {
        let is_there = t.get(key).await?.is_some() && t.exists(key).await?;
        holds(!is_there, || "Get and Exists see a key 1 s after Expire with ttl_millis 500".to_owned())?;
    }
    Ok(())
}

async fn expire_keeps_the_value(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    t.set(&key, "value").await?;
    t.call::<rpc::Expire>(expire(t, &key, 3_600_000)).await?;
    same("Get after Expire", &t.get(&key).await?, &Some("value".into()))
}

async fn persist_removes_ttl(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    set(t, &key, Some(3_600_000)).await?;
    let request = PersistRequest { namespace: t.namespace.clone(), key: key.clone() };
    for expected in [true, false] {
        let had_ttl = t.call::<rpc::Persist>(request.clone()).await?.had_ttl;
        same("had_ttl of Persist", &had_ttl, &expected)?;
        same("Get with with_ttl after Persist", &get_with_ttl(t, &key).await?.ttl_millis_left, &None)?;
    }
    same("Get after Persist", &t.get(&key).await?, &Some("v".into()))
}
