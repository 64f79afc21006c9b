//! Calls that are repeated under an idempotency key.

use std::time::Duration;

use bytes::Bytes;
use prism_proto::ErrorReason::{IdempotencyKeyInvalid, IdempotencyKeyReused};
use prism_proto::interfaces::keyvalue::{
    BatchDeleteRequest, GetAndDeleteRequest, GetAndSetRequest, GetRequest, IncrementRequest, ScanRequest,
};
use prism_proto::interfaces::list::{
    BlockingPopRequest, End as WireEnd, LengthRequest, PopRightRequest, PushRightRequest,
};
use prism_proto::rpc::{keyvalue, list as rpc};

use super::table;
use crate::conformance::expect::{Verdict, answered, holds, same};
use crate::conformance::trial::Trial;

table! {
    "idempotency/list-calls-are-applied-once",
        "where idempotent_retries is declared, a push or pop that is repeated under its idempotency key gets the same answer and is applied once",
        [List, Idempotent], list_calls_are_applied_once;
    "idempotency/counters-are-applied-once",
        "where idempotent_retries is declared, a repeated Increment gets the same answer and is applied once",
        [KeyValue, Counter, Idempotent], counters_are_applied_once;
    "idempotency/replaced-values-are-answered-again",
        "where idempotent_retries is declared, repeated calls of GetAndSet and GetAndDelete return the same value",
        [KeyValue, Cas, Idempotent], replaced_values_are_answered_again;
    "idempotency/repetition-waits-for-the-first",
        "where idempotent_retries is declared, a repetition that comes while the first call runs waits for it",
        [List, ListBlocking, Idempotent], repetition_waits_for_the_first;
    "idempotency/reused-key-is-refused",
        "where idempotent_retries is declared, another request under a used key gets INVALID_ARGUMENT / IDEMPOTENCY_KEY_REUSED",
        [List, Idempotent], reused_key_is_refused;
    "idempotency/clients-are-kept-apart",
        "where idempotent_retries is declared, the same number of another client is another call",
        [List, Idempotent], clients_are_kept_apart;
    "idempotency/acknowledged-is-not-applied-again",
        "where idempotent_retries is declared, a call that its client has acknowledged is not applied again",
        [List, Idempotent], acknowledged_is_not_applied_again;
    "idempotency/keys-are-checked",
        "where idempotent_retries is declared, an idempotency key that is none gets INVALID_ARGUMENT / IDEMPOTENCY_KEY_INVALID",
        [List, Idempotent], keys_are_checked;
    "idempotency/only-writes-of-one-key-have-keys",
        "where idempotent_retries is declared, an idempotency key of a read, a stream or a batch gets INVALID_ARGUMENT / IDEMPOTENCY_KEY_INVALID",
        [KeyValue, Idempotent], only_writes_of_one_key_have_keys;
}

/// The keys of one client, whose numbers begin anywhere.
struct Keys {
    client: u128,
    seq: u64,
}

impl Keys {
    fn new() -> Self {
        Self { client: fastrand::u128(..), seq: fastrand::u64(..1 << 48) }
    }

    /// The next key; nothing is acknowledged.
    fn next(&mut self) -> String {
        self.seq += 1;
        format!("{:032x}.{}.0", self.client, self.seq)
    }
}

fn push(t: &Trial<'_>, list: &str, value: &str) -> PushRightRequest {
    let value = Bytes::copy_from_slice(value.as_bytes());
    PushRightRequest { namespace: t.namespace.clone(), list_key: list.to_owned(), value }
}

/// Makes a call twice under one key, and returns the answer, which must be the same.
async fn twice<R>(t: &Trial<'_>, key: &str, request: R::Request) -> Verdict<R::Response>
where
    R: prism_proto::rpc::Unary,
    R::Response: PartialEq + std::fmt::Debug,
{
    let first = answered(R::NAME, t.try_call_under::<R>(key, request.clone()).await)?;
    let again = t.try_call_under::<R>(key, request).await;
    let again = answered(format!("a repeated {}", R::NAME), again)?;
    same(format!("a repeated {}", R::NAME), &again, &first)?;
    Ok(first)
}

async fn list_calls_are_applied_once(t: &Trial<'_>) -> Verdict {
    let (list, mut keys) = (t.list("l"), Keys::new());
    for (value, length) in [("a", 1), ("b", 2), ("c", 3)] {
        let pushed = twice::<rpc::PushRight>(t, &keys.next(), push(t, &list, value)).await?;
        same("PushRight", &pushed.new_length, &length)?;
    }
    let pop = PopRightRequest { namespace: t.namespace.clone(), list_key: list.clone() };
    let popped = twice::<rpc::PopRight>(t, &keys.next(), pop).await?;
    same("PopRight", &popped.value, &"c".into())?;
    same("Length after 3 pushes and a pop, each of which was repeated", &t.length(&list).await?, &2)
}

async fn counters_are_applied_once(t: &Trial<'_>) -> Verdict {
    let (key, mut keys) = (t.key("k"), Keys::new());
    for expected in [5, 10] {
        let (namespace, key) = (t.namespace.clone(), key.clone());
        let request = IncrementRequest { namespace, key, delta: 5, ..IncrementRequest::default() };
        let answer = twice::<keyvalue::Increment>(t, &keys.next(), request).await?;
        same("Increment", &answer.value, &expected)?;
    }
    same("Get after 2 increments, each of which was repeated", &t.get(&key).await?, &Some("10".into()))
}

async fn replaced_values_are_answered_again(t: &Trial<'_>) -> Verdict {
    let (key, mut keys) = (t.key("k"), Keys::new());
    t.set(&key, "a").await?;
    let (namespace, value) = (t.namespace.clone(), Bytes::from_static(b"b"));
    let set = GetAndSetRequest { namespace, key: key.clone(), value, ttl_millis: None };
    let set = twice::<keyvalue::GetAndSet>(t, &keys.next(), set).await?;
    same("GetAndSet", &set.value, &"a".into())?;
    let delete = GetAndDeleteRequest { namespace: t.namespace.clone(), key };
    let deleted = twice::<keyvalue::GetAndDelete>(t, &keys.next(), delete).await?;
    same("GetAndDelete", &deleted.value, &"b".into())
}

async fn repetition_waits_for_the_first(t: &Trial<'_>) -> Verdict {
    const BEHIND: Duration = Duration::from_millis(100);
    let (list, key) = (t.list("l"), Keys::new().next());
    let pop = || BlockingPopRequest {
        namespace: t.namespace.clone(),
        list_key: list.clone(),
        end: WireEnd::Left.into(),
        wait_millis: 20_000,
    };
    let push = async {
        tokio::time::sleep(BEHIND).await;
        t.call::<rpc::PushRight>(push(t, &list, "a")).await?;
        t.call::<rpc::PushRight>(push(t, &list, "b")).await
    };
    let call = || t.try_call_under::<rpc::BlockingPop>(&key, pop());
    let (first, again, pushed) = tokio::join!(call(), call(), push);
    pushed?;
    let (first, again) = (answered("BlockingPop", first)?, answered("a repeated BlockingPop", again)?);
    same("a BlockingPop that was repeated while the first waited", &again, &first)?;
    same("Length after one of 2 values was popped", &t.length(&list).await?, &1)
}

async fn reused_key_is_refused(t: &Trial<'_>) -> Verdict {
    let (list, key) = (t.list("l"), Keys::new().next());
    answered("PushRight", t.try_call_under::<rpc::PushRight>(&key, push(t, &list, "a")).await)?;
    let answer = t.try_call_under::<rpc::PushRight>(&key, push(t, &list, "b")).await;
    t.refused("PushRight of another value under the same key", answer, &[IdempotencyKeyReused])?;
    let pop = PopRightRequest { namespace: t.namespace.clone(), list_key: list.clone() };
    let answer = t.try_call_under::<rpc::PopRight>(&key, pop).await;
    t.refused("another method under the same key", answer, &[IdempotencyKeyReused])?;
    same("Length after refused calls", &t.length(&list).await?, &1)
}

async fn clients_are_kept_apart(t: &Trial<'_>) -> Verdict {
    let (list, one) = (t.list("l"), Keys::new());
    let mut one = one;
    let mut other = Keys { client: one.client ^ 1, seq: one.seq };
    for (keys, length) in [(&mut one, 1), (&mut other, 2)] {
        let answer = t.try_call_under::<rpc::PushRight>(&keys.next(), push(t, &list, "a")).await;
        same("PushRight of one of 2 clients", &answered("PushRight", answer)?.new_length, &length)?;
    }
    Ok(())
}

async fn acknowledged_is_not_applied_again(t: &Trial<'_>) -> Verdict {
    let (list, mut keys) = (t.list("l"), Keys::new());
    let first = keys.next();
    answered("PushRight", t.try_call_under::<rpc::PushRight>(&first, push(t, &list, "a")).await)?;
    keys.seq += 1;
    let second = format!("{:032x}.{}.{}", keys.client, keys.seq, keys.seq);
    answered("PushRight", t.try_call_under::<rpc::PushRight>(&second, push(t, &list, "b")).await)?;
    // Answered again or refused.
    let _ = t.try_call_under::<rpc::PushRight>(&first, push(t, &list, "a")).await;
    same("Length after an acknowledged push was repeated", &t.length(&list).await?, &2)
}

async fn keys_are_checked(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    let client = format!("{:032x}", fastrand::u128(..));
    for wrong in [
        "not-a-key".to_owned(),
        client.clone(),
        format!("{client}.1"),
        format!("{client}.1.0.0"),
        format!("{client}.1.2"),
        format!("{client}.-1.0"),
        format!("{client}.18446744073709551616.0"),
        format!("{}.1.0", &client[1..]),
    ] {
        let answer = t.try_call_under::<rpc::PushRight>(&wrong, push(t, &list, "a")).await;
        t.refused(&format!("PushRight under the key {wrong:?}"), answer, &[IdempotencyKeyInvalid])?;
    }
    same("Length after refused calls", &t.length(&list).await?, &0)
}

async fn only_writes_of_one_key_have_keys(t: &Trial<'_>) -> Verdict {
    let (name, mut keys) = (t.key("k"), Keys::new());
    t.set(&name, "v").await?;
    let namespace = || t.namespace.clone();
    let get = GetRequest { namespace: namespace(), key: name.clone(), with_ttl: false };
    let answer = t.try_call_under::<keyvalue::Get>(&keys.next(), get).await;
    t.refused("Get under an idempotency key", answer, &[IdempotencyKeyInvalid])?;
    if t.target.served.list() {
        let length = LengthRequest { namespace: namespace(), list_key: name.clone() };
        let answer = t.try_call_under::<rpc::Length>(&keys.next(), length).await;
        t.refused("Length under an idempotency key", answer, &[IdempotencyKeyInvalid])?;
    }
    if t.target.served.has(crate::conformance::calls::Interface::Scan) {
        let scan = ScanRequest { namespace: namespace(), prefix: name.clone(), ..ScanRequest::default() };
        let answer = t.try_stream_under::<keyvalue::Scan>(&keys.next(), scan).await;
        t.refused("Scan under an idempotency key", answer, &[IdempotencyKeyInvalid])?;
    }
    if t.target.served.has(crate::conformance::calls::Interface::Batch) {
        let delete = BatchDeleteRequest { namespace: namespace(), keys: vec![name.clone()] };
        let answer = t.try_call_under::<keyvalue::BatchDelete>(&keys.next(), delete).await;
        t.refused("BatchDelete under an idempotency key", answer, &[IdempotencyKeyInvalid])?;
    }
    holds(t.exists(&name).await?, || "a refused BatchDelete has removed a key".to_owned())
}
