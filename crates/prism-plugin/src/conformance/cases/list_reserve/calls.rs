//! The calls that the cases make.

use std::time::{Duration, Instant};

use bytes::Bytes;
use prism_proto::ErrorReason::LeaseEnded;
use prism_proto::interfaces::list::{
    AckRequest, End as WireEnd, ExtendRequest, ReleaseRequest, ReserveRequest, ReserveResponse,
};
use prism_proto::rpc::list as rpc;

use crate::conformance::expect::Verdict;
use crate::conformance::trial::Trial;
use crate::list::End;

/// A lease that no case waits out.
pub(super) const LONG: i64 = 60_000;

/// A request for values of the left end, without waiting.
pub(super) fn request(t: &Trial<'_>, list: &str, count: i64, lease_millis: i64) -> ReserveRequest {
    ReserveRequest {
        namespace: t.namespace.clone(),
        list_key: list.to_owned(),
        end: WireEnd::Left.into(),
        count,
        lease_millis,
        ..ReserveRequest::default()
    }
}

pub(super) async fn reserve(
    t: &Trial<'_>,
    list: &str,
    count: i64,
    lease_millis: i64,
) -> Verdict<ReserveResponse> {
    t.call::<rpc::Reserve>(request(t, list, count, lease_millis)).await
}

pub(super) fn ack(t: &Trial<'_>, list: &str, lease: &Bytes) -> AckRequest {
    AckRequest { namespace: t.namespace.clone(), list_key: list.to_owned(), lease: lease.clone() }
}

pub(super) fn extend(t: &Trial<'_>, list: &str, lease: &Bytes, lease_millis: i64) -> ExtendRequest {
    let (list_key, lease) = (list.to_owned(), lease.clone());
    ExtendRequest { namespace: t.namespace.clone(), list_key, lease, lease_millis }
}

pub(super) fn release(t: &Trial<'_>, list: &str, lease: &Bytes) -> ReleaseRequest {
    ReleaseRequest { namespace: t.namespace.clone(), list_key: list.to_owned(), lease: lease.clone() }
}

/// The values as text, of one character each.
pub(super) fn text(reserved: &ReserveResponse) -> String {
    reserved.values.iter().map(|value| String::from_utf8_lossy(&value.value)).collect()
}

/// Pushes each character at the right end.
pub(super) async fn push_each(t: &Trial<'_>, list: &str, values: &str) -> Verdict {
    for value in values.chars() {
        t.push(End::Right, list, value.to_string()).await?;
    }
    Ok(())
}

/// Pops all values from the left, as text.
pub(super) async fn pop_each(t: &Trial<'_>, list: &str, expected_max: usize) -> Verdict<String> {
    Ok(String::from_utf8_lossy(&t.drain(End::Left, list, expected_max).await?.concat()).into_owned())
}

/// Fails unless none of the three calls finds a lease.
pub(super) async fn has_ended(t: &Trial<'_>, when: &str, list: &str, lease: &Bytes) -> Verdict {
    let answer = t.try_call::<rpc::Ack>(ack(t, list, lease)).await;
    t.refused(&format!("Ack {when}"), answer, &[LeaseEnded])?;
    let answer = t.try_call::<rpc::Extend>(extend(t, list, lease, LONG)).await;
    t.refused(&format!("Extend {when}"), answer, &[LeaseEnded])?;
    let answer = t.try_call::<rpc::Release>(release(t, list, lease)).await;
    t.refused(&format!("Release {when}"), answer, &[LeaseEnded])
}

/// Waits until a lease must have ended: it began before its response arrived.
pub(super) async fn ended(reserved: Instant, lease: Duration) {
    const GRACE: Duration = Duration::from_millis(50);
    tokio::time::sleep_until((reserved + lease + GRACE).into()).await;
}
