//! Conditional writes.

use std::time::Instant;

use bytes::Bytes;
use futures_util::future::join_all;
use prism_proto::ErrorReason::ConditionInvalid;
use prism_proto::interfaces::keyvalue::condition::{Absent, Present, Test};
use prism_proto::interfaces::keyvalue::{
    Condition, DeleteIfRequest, GetAndDeleteRequest, GetAndSetRequest, SetIfRequest, SetIfResponse,
};
use prism_proto::rpc::keyvalue as rpc;
use sha2::{Digest as _, Sha256};

use super::table;
use crate::conformance::expect::{Verdict, same};
use crate::conformance::trial::Trial;

table! {
    "cas/set-if-absent",
        "SetIf absent is applied to a missing key only",
        [KeyValue, Cas], set_if_absent;
    "cas/set-if-present",
        "SetIf present is applied to an existing key only",
        [KeyValue, Cas], set_if_present;
    "cas/set-if-equals",
        "SetIf equals is applied to a key with that value only",
        [KeyValue, Cas], set_if_equals;
    "cas/set-if-equals-sha256",
        "SetIf equals_sha256 is applied to a key whose value has that hash only",
        [KeyValue, Cas], set_if_equals_sha256;
    "cas/set-if-differs",
        "SetIf differs is applied to an existing key with another value only, not to a missing one",
        [KeyValue, Cas], set_if_differs;
    "cas/unapplied-changes-nothing",
        "a SetIf whose condition does not hold changes nothing, which is not an error",
        [KeyValue, Cas], unapplied_changes_nothing;
    "cas/current-is-what-stood",
        "SetIf and DeleteIf with return_current return the value that stood before, applied or not",
        [KeyValue, Cas], current_is_what_stood;
    "cas/set-if-replaces-ttl",
        "SetIf replaces the time to live along with the value",
        [KeyValue, Cas], set_if_replaces_ttl;
    "cas/condition-is-checked",
        "no condition, an equals_sha256 of other than 32 bytes, or DeleteIf absent gets INVALID_ARGUMENT / CONDITION_INVALID",
        [KeyValue, Cas], condition_is_checked;
    "cas/delete-if-removes",
        "DeleteIf removes the key if its condition holds",
        [KeyValue, Cas], delete_if_removes;
    "cas/get-and-set",
        "GetAndSet stores a value and returns the one before, or found = false",
        [KeyValue, Cas], get_and_set;
    "cas/get-and-delete",
        "GetAndDelete removes a key and returns its value, or found = false",
        [KeyValue, Cas], get_and_delete;
    "cas/one-of-many-wins",
        "of many concurrent calls of SetIf absent, exactly one is applied",
        [KeyValue, Cas], one_of_many_wins;
}

fn request(t: &Trial<'_>, key: &str, test: Test) -> SetIfRequest {
    SetIfRequest {
        namespace: t.namespace.clone(),
        key: key.to_owned(),
        value: "new".into(),
        condition: Some(Condition { test: Some(test) }),
        ..SetIfRequest::default()
    }
}

fn delete(t: &Trial<'_>, key: &str, test: Option<Test>) -> DeleteIfRequest {
    DeleteIfRequest {
        namespace: t.namespace.clone(),
        key: key.to_owned(),
        condition: test.map(|test| Condition { test: Some(test) }),
        return_current: true,
    }
}

fn sha256(value: &str) -> Bytes {
    Bytes::copy_from_slice(&Sha256::digest(value))
}

/// Whether SetIf is applied to a missing key, to one with the value `a`, and to one with `b`; and that it stores its value if it
/// says so.
async fn applied(t: &Trial<'_>, test: Test, expected: [bool; 3]) -> Verdict {
    for ((name, value), expected) in
        [("missing", None), ("a", Some("a")), ("b", Some("b"))].iter().zip(expected)
    {
        let key = t.key(name);
        if let Some(value) = value {
            t.set(&key, *value).await?;
        }
        let ended = t.call::<rpc::SetIf>(request(t, &key, test.clone())).await?;
        same(format!("applied of SetIf where the value is {value:?}"), &ended.applied, &expected)?;
        if expected {
            same("Get after SetIf that was applied", &t.get(&key).await?, &Some("new".into()))?;
        }
    }
    Ok(())
}

async fn set_if_absent(t: &Trial<'_>) -> Verdict {
    applied(t, Test::Absent(Absent {}), [true, false, false]).await
}

async fn set_if_present(t: &Trial<'_>) -> Verdict {
    applied(t, Test::Present(Present {}), [false, true, true]).await
}

async fn set_if_equals(t: &Trial<'_>) -> Verdict {
    applied(t, Test::Equals("a".into()), [false, true, false]).await
}

async fn set_if_equals_sha256(t: &Trial<'_>) -> Verdict {
    applied(t, Test::EqualsSha256(sha256("a")), [false, true, false]).await
}

async fn set_if_differs(t: &Trial<'_>) -> Verdict {
    applied(t, Test::Differs("a".into()), [false, false, true]).await
}

async fn unapplied_changes_nothing(t: &Trial<'_>) -> Verdict {
    let (key, missing) = (t.key("k"), t.key("missing"));
    t.set(&key, "old").await?;
    t.call::<rpc::SetIf>(request(t, &key, Test::Equals("other".into()))).await?;
    same("Get after SetIf whose condition does not hold", &t.get(&key).await?, &Some("old".into()))?;
    t.call::<rpc::SetIf>(request(t, &missing, Test::Equals(Bytes::new()))).await?;
    same("Get of a missing key after SetIf equals", &t.get(&missing).await?, &None)
}

async fn current_is_what_stood(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    t.set(&key, "old").await?;
    for (test, return_current, applied, current) in [
        (Test::Equals("other".into()), true, false, Some("old")),
        (Test::Present(Present {}), true, true, Some("old")),
        (Test::Absent(Absent {}), false, false, None),
    ] {
        let request = SetIfRequest { return_current, ..request(t, &key, test) };
        let ended = t.call::<rpc::SetIf>(request).await?;
        let expected = SetIfResponse { applied, current: current.map(Into::into) };
        same(format!("SetIf with return_current {return_current}"), &ended, &expected)?;
    }
    let current = t.call::<rpc::DeleteIf>(delete(t, &key, Some(Test::Equals("x".into())))).await?.current;
    same("current of DeleteIf that was not applied", &current, &Some("new".into()))?;
    let missing =
        SetIfRequest { return_current: true, ..request(t, &t.key("missing"), Test::Present(Present {})) };
    same("current of SetIf of a missing key", &t.call::<rpc::SetIf>(missing).await?.current, &None)
}

async fn set_if_replaces_ttl(t: &Trial<'_>) -> Verdict {
    let (loses, gains) = (t.key("loses"), t.key("gains"));
    let first = t.set_for(&loses, "old", 3).await?;
    t.call::<rpc::SetIf>(request(t, &loses, Test::Present(Present {}))).await?;
    let short = SetIfRequest { ttl_millis: Some(500), ..request(t, &gains, Test::Absent(Absent {})) };
    t.call::<rpc::SetIf>(short).await?;
    t.expired(first.max(Instant::now()), 3).await;
    same("Get after the time of a value that SetIf replaced", &t.get(&loses).await?, &Some("new".into()))?;
    let is_there = t.get(&gains).await?.is_some() && t.exists(&gains).await?;
    same("Get and Exists 3 s after SetIf with ttl_millis 500", &is_there, &false)
}

async fn condition_is_checked(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    t.set(&key, "old").await?;
    for condition in [
        None,
        Some(Condition { test: None }),
        Some(Condition { test: Some(Test::EqualsSha256(sha256("old").slice(1..))) }),
        Some(Condition { test: Some(Test::EqualsSha256(vec![0; 33].into())) }),
    ] {
        let what = format!("SetIf with condition {condition:?}");
        let request = SetIfRequest { condition, ..request(t, &key, Test::Present(Present {})) };
        t.refused(&what, t.try_call::<rpc::SetIf>(request).await, &[ConditionInvalid])?;
    }
    for test in [None, Some(Test::Absent(Absent {}))] {
        let what = format!("DeleteIf with condition {test:?}");
        let answer = t.try_call::<rpc::DeleteIf>(delete(t, &key, test)).await;
        t.refused(&what, answer, &[ConditionInvalid])?;
    }
    same("Get after refused conditional writes", &t.get(&key).await?, &Some("old".into()))
}

async fn delete_if_removes(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    t.set(&key, "old").await?;
    for (value, applied) in [("other", false), ("old", true)] {
        let ended = t.call::<rpc::DeleteIf>(delete(t, &key, Some(Test::Equals(value.into())))).await?;
        same(format!("applied of DeleteIf equals {value}"), &ended.applied, &applied)?;
        let left = t.get(&key).await?.is_some();
        same(format!("whether the key exists after DeleteIf equals {value}"), &left, &!applied)?;
    }
    let ended = t.call::<rpc::DeleteIf>(delete(t, &key, Some(Test::Present(Present {})))).await?;
    same("applied of DeleteIf of a missing key", &ended.applied, &false)
}

async fn get_and_set(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    for (value, before) in [("1", None), ("2", Some("1")), ("3", Some("2"))] {
        let (namespace, key) = (t.namespace.clone(), key.clone());
        let request = GetAndSetRequest { namespace, key, value: value.into(), ttl_millis: None };
        let got = t.call::<rpc::GetAndSet>(request).await?;
        let got = got.found.then_some(got.value);
        same(format!("what GetAndSet of {value} replaced"), &got, &before.map(Into::into))?;
    }
    same("Get after GetAndSet", &t.get(&key).await?, &Some("3".into()))
}

async fn get_and_delete(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    t.set(&key, "v").await?;
    for before in [Some("v"), None] {
        let request = GetAndDeleteRequest { namespace: t.namespace.clone(), key: key.clone() };
        let got = t.call::<rpc::GetAndDelete>(request).await?;
        same("what GetAndDelete removed", &got.found.then_some(got.value), &before.map(Into::into))?;
        same("Exists after GetAndDelete", &t.exists(&key).await?, &false)?;
    }
    Ok(())
}

async fn one_of_many_wins(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    let calls = (0..16).map(|_| t.call::<rpc::SetIf>(request(t, &key, Test::Absent(Absent {}))));
    let ended: Vec<_> = join_all(calls).await.into_iter().collect::<Result<_, _>>()?;
    let applied = ended.iter().filter(|ended| ended.applied).count();
    same("calls that were applied, of 16 concurrent calls of SetIf absent", &applied, &1)
}
