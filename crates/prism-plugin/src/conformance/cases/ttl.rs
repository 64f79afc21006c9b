//! Time to live. Reads are made once a key must have expired: expiring late is as wrong as never.

use std::time::{Duration, Instant};

use prism_proto::ErrorReason::TtlInvalid;
use prism_proto::limits::TTL_MAX;

use super::table;
use crate::conformance::calls::Which;
use crate::conformance::expect::{Verdict, holds, same};
use crate::conformance::trial::Trial;

table! {
    "ttl/zero-and-negative-are-refused",
        "ttl_seconds below 1 gets INVALID_ARGUMENT / TTL_INVALID",
        [KeyValue], zero_and_negative_are_refused;
    "ttl/longest-is-accepted",
        "ttl_seconds of 100 years is accepted",
        [KeyValue], longest_is_accepted;
    "ttl/too-long-is-refused",
        "ttl_seconds over 100 years gets INVALID_ARGUMENT / TTL_INVALID",
        [KeyValue], too_long_is_refused;
    "ttl/key-lives-its-time",
        "a key does not expire before its time to live has passed",
        [KeyValue], key_lives_its_time;
    "ttl/expired-key-is-not-returned",
        "Get of an expired key gets NOT_FOUND",
        [KeyValue], expired_key_is_not_returned;
    "ttl/expired-key-does-not-exist",
        "Exists returns false for an expired key",
        [KeyValue], expired_key_does_not_exist;
    "ttl/expired-key-is-not-found-by-delete",
        "Delete of an expired key returns found = false",
        [KeyValue], expired_key_is_not_found_by_delete;
    "ttl/expired-key-is-not-scanned",
        "Scan and ScanKeys leave expired keys out",
        [KeyValue, Scan], expired_key_is_not_scanned;
    "ttl/expired-key-is-not-counted",
        "Count leaves expired keys out",
        [KeyValue, Scan, ExactCount], expired_key_is_not_counted;
    "ttl/expired-key-can-be-set-again",
        "Set of an expired key creates a new key with its own time to live",
        [KeyValue], expired_key_can_be_set_again;
    "ttl/set-without-ttl-removes-it",
        "Set without ttl_seconds removes the old time to live: the newer value does not expire with it",
        [KeyValue], set_without_ttl_removes_it;
    "ttl/set-replaces-ttl",
        "Set with ttl_seconds replaces the old time to live, whether longer or shorter",
        [KeyValue], set_replaces_ttl;
    "ttl/deleted-key-takes-its-ttl-with-it",
        "after Delete and a new Set, the new value does not expire with the old time to live",
        [KeyValue], deleted_key_takes_its_ttl_with_it;
}

async fn zero_and_negative_are_refused(t: &Trial<'_>) -> Verdict {
    for ttl in [0, -1, i64::MIN] {
        let answer = t.try_set(&t.key("k"), "v", Some(ttl)).await;
        t.refused(&format!("Set with ttl_seconds {ttl}"), answer, &[TtlInvalid])?;
    }
    Ok(())
}

async fn longest_is_accepted(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    t.set_for(&key, "v", TTL_MAX.as_secs().cast_signed()).await?;
    same("Get after Set with ttl_seconds of 100 years", &t.get(&key).await?, &Some("v".into()))
}

async fn too_long_is_refused(t: &Trial<'_>) -> Verdict {
    for ttl in [TTL_MAX.as_secs().cast_signed() + 1, i64::MAX] {
        let answer = t.try_set(&t.key("k"), "v", Some(ttl)).await;
        t.refused(&format!("Set with ttl_seconds {ttl}"), answer, &[TtlInvalid])?;
    }
    Ok(())
}

async fn key_lives_its_time(t: &Trial<'_>) -> Verdict {
    const POLL: Duration = Duration::from_millis(40);
    const LIFE: Duration = Duration::from_secs(1);
    /// The granularity that clocks may have.
    const TOLERANCE: Duration = Duration::from_millis(30);
    let key = t.key("k");
    let begun = Instant::now();
    t.set_for(&key, "v", 1).await?;
    while begun.elapsed() < LIFE {
        let found = t.get(&key).await?.is_some();
        let age = begun.elapsed();
        holds(found || age + TOLERANCE >= LIFE, || {
            format!("a key with ttl_seconds 1 was gone {} ms after its Set began", age.as_millis())
        })?;
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

async fn expired_key_is_not_returned(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    t.expired(t.set_for(&key, "v", 1).await?, 1).await;
    same("Get of an expired key", &t.get(&key).await?, &None)
}

async fn expired_key_does_not_exist(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    t.expired(t.set_for(&key, "v", 1).await?, 1).await;
    same("Exists of an expired key", &t.exists(&key).await?, &false)
}

async fn expired_key_is_not_found_by_delete(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    t.expired(t.set_for(&key, "v", 1).await?, 1).await;
    same("found of the Delete of an expired key", &t.delete(&key).await?, &false)
}

async fn expired_key_is_not_scanned(t: &Trial<'_>) -> Verdict {
    let (live, expiring) = (t.key("live"), t.key("expiring"));
    t.set(&live, "v").await?;
    t.expired(t.set_for(&expiring, "v", 1).await?, 1).await;
    for which in Which::BOTH {
        let scanned = t.scan(which, t.all()).await?;
        same(format!("{which} of a live and an expired key"), &scanned, &vec![live.clone()])?;
    }
    Ok(())
}

async fn expired_key_is_not_counted(t: &Trial<'_>) -> Verdict {
    t.set(&t.key("live"), "v").await?;
    t.expired(t.set_for(&t.key("expiring"), "v", 1).await?, 1).await;
    same("Count of a live and an expired key", &t.count(t.prefix()).await?, &1)
}

async fn expired_key_can_be_set_again(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    t.expired(t.set_for(&key, "old", 1).await?, 1).await;
    t.set(&key, "new").await?;
    same("Get of a key that was set again after it expired", &t.get(&key).await?, &Some("new".into()))
}

async fn set_without_ttl_removes_it(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    let first = t.set_for(&key, "old", 1).await?;
    t.set(&key, "new").await?;
    t.expired(first, 1).await;
    let got = t.get(&key).await?;
    same("Get after the time of an earlier Set, replaced by one without", &got, &Some("new".into()))
}

async fn set_replaces_ttl(t: &Trial<'_>) -> Verdict {
    let (longer, shorter) = (t.key("longer"), t.key("shorter"));
    t.set_for(&longer, "old", 1).await?;
    t.set_for(&longer, "new", 3600).await?;
    t.set_for(&shorter, "old", 3600).await?;
    t.expired(t.set_for(&shorter, "new", 1).await?, 1).await;
    same("Get 1 s after ttl_seconds 1 was replaced by 3600", &t.get(&longer).await?, &Some("new".into()))?;
    // With both Get and Exists, so that this does not fail if just one of them ignores expiry.
    let is_there = t.get(&shorter).await?.is_some() && t.exists(&shorter).await?;
    holds(!is_there, || {
        "Get and Exists see a key 1 s after its ttl_seconds 3600 was replaced by 1".to_owned()
    })
}

async fn deleted_key_takes_its_ttl_with_it(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    let first = t.set_for(&key, "old", 1).await?;
    t.delete(&key).await?;
    t.set(&key, "new").await?;
    t.expired(first, 1).await;
    let got = t.get(&key).await?;
    same("Get after the time of a deleted key of that name", &got, &Some("new".into()))
}
