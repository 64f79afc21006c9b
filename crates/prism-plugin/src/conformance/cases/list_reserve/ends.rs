//! Leases that end.

use std::time::{Duration, Instant};

use prism_proto::interfaces::list::{End as WireEnd, ReserveRequest};
use prism_proto::rpc::list as rpc;

use super::calls::{
    LONG, ack, ended, extend, has_ended, pop_each, push_each, release, request, reserve, text,
};
use crate::conformance::expect::{Verdict, holds, same};
use crate::conformance::trial::Trial;

/// A lease that ends, in milliseconds and as a duration.
const SHORT: i64 = 400;
const LEASE: Duration = Duration::from_millis(400);

pub(super) async fn lease_that_ends_returns_its_values(t: &Trial<'_>) -> Verdict {
    for (end, taken) in [(WireEnd::Left, "abc"), (WireEnd::Right, "fed")] {
        let list = t.list(end.as_str_name());
        push_each(t, &list, "abcdef").await?;
        let wanted = ReserveRequest { end: end.into(), ..request(t, &list, 3, SHORT) };
        let reserved = t.call::<rpc::Reserve>(wanted).await?;
        let begun = Instant::now();
        same(format!("Reserve of 3 values at the end {}", end.as_str_name()), &*text(&reserved), taken)?;
        ended(begun, LEASE).await;
        let values = pop_each(t, &list, 6).await?;
        same(format!("the values after a lease at the end {}", end.as_str_name()), &*values, "abcdef")?;
    }
    Ok(())
}

pub(super) async fn every_call_returns_ended_leases(t: &Trial<'_>) -> Verdict {
    // Several times, because a sweep may have come first.
    for round in 0..5 {
        let list = t.list(&round.to_string());
        push_each(t, &list, "ab").await?;
        let reserved = reserve(t, &list, 2, SHORT).await?;
        let begun = Instant::now();
        ended(begun, LEASE).await;
        match round {
            0 => same("Length when a lease has ended", &t.length(&list).await?, &2)?,
            1 => same("pops when a lease has ended", &*pop_each(t, &list, 2).await?, "ab")?,
            2 => {
                let again = reserve(t, &list, 2, LONG).await?;
                same("Reserve when a lease has ended", &*text(&again), "ab")?;
            }
            _ => has_ended(t, "when the lease has ended", &list, &reserved.lease).await?,
        }
    }
    Ok(())
}

pub(super) async fn sweep_serves_waiters(t: &Trial<'_>) -> Verdict {
    const SWEEP_MAX: Duration = Duration::from_secs(1);
    let list = t.list("l");
    push_each(t, &list, "a").await?;
    reserve(t, &list, 1, SHORT).await?;
    let begun = Instant::now();
    let wanted = ReserveRequest { wait_millis: 10_000, ..request(t, &list, 1, LONG) };
    let reserved = t.call::<rpc::Reserve>(wanted).await?;
    same("Reserve that waits for the end of a lease", &*text(&reserved), "a")?;
    let late = begun.elapsed().saturating_sub(LEASE);
    // Half a second for a busy machine.
    holds(late <= SWEEP_MAX + Duration::from_millis(500), || {
        format!("Reserve waited until {late:?} after the end of the lease; expected at most 1 s")
    })
}

pub(super) async fn extend_gives_more_time(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    push_each(t, &list, "ab").await?;
    let reserved = reserve(t, &list, 1, 2000).await?;
    let begun = Instant::now();
    t.call::<rpc::Extend>(extend(t, &list, &reserved.lease, LONG)).await?;
    ended(begun, Duration::from_secs(2)).await;
    same("Length when a lease would have ended without Extend", &t.length(&list).await?, &1)?;
    t.call::<rpc::Extend>(extend(t, &list, &reserved.lease, SHORT)).await?;
    let begun = Instant::now();
    ended(begun, LEASE).await;
    same("Length when the time of Extend is over", &t.length(&list).await?, &2)
}

pub(super) async fn max_deliveries_moves_values(t: &Trial<'_>) -> Verdict {
    // In one slot where there are slots.
    let (list, dead) = (t.list("{l}"), t.list("{l}dead"));
    push_each(t, &list, "abc").await?;
    push_each(t, &dead, "x").await?;
    let wanted = |lease_millis| ReserveRequest {
        max_deliveries: Some(2),
        dead_letter_list_key: dead.clone(),
        ..request(t, &list, 2, lease_millis)
    };
    let reserved = t.call::<rpc::Reserve>(wanted(LONG)).await?;
    t.call::<rpc::Release>(release(t, &list, &reserved.lease)).await?;
    same("Length after a first delivery", &t.length(&list).await?, &3)?;
    // By Release and by the end of the lease.
    let reserved = t.call::<rpc::Reserve>(ReserveRequest { count: 1, ..wanted(LONG) }).await?;
    let released = t.call::<rpc::Release>(release(t, &list, &reserved.lease)).await?;
    same("Release of a value that moves to the dead letter list", &released.returned, &1)?;
    same("Length after a last delivery", &t.length(&list).await?, &2)?;
    same("Length of the dead letter list", &t.length(&dead).await?, &2)?;
    let reserved = t.call::<rpc::Reserve>(ReserveRequest { count: 1, ..wanted(SHORT) }).await?;
    let begun = Instant::now();
    same("Reserve behind a value that has moved", &*text(&reserved), "b")?;
    ended(begun, LEASE).await;
    same("Length after a lease with a last delivery has ended", &t.length(&list).await?, &1)?;
    same("the dead letter list", &*pop_each(t, &dead, 3).await?, "xab")?;
    // A value that was delivered often enough before the limit was asked for.
    let reserved = reserve(t, &list, 1, LONG).await?;
    t.call::<rpc::Release>(release(t, &list, &reserved.lease)).await?;
    let reserved = t.call::<rpc::Reserve>(ReserveRequest { max_deliveries: Some(1), ..wanted(LONG) }).await?;
    same("Reserve of what has been delivered max_deliveries times", &*text(&reserved), "")?;
    same("the dead letter list after that", &*pop_each(t, &dead, 1).await?, "c")?;
    push_each(t, &list, "d").await?;
    let reserved = t.call::<rpc::Reserve>(wanted(LONG)).await?;
    let acked = t.call::<rpc::Ack>(ack(t, &list, &reserved.lease)).await?;
    same("Ack of a value with max_deliveries", &acked.removed, &1)
}
