//! Values under leases.

mod calls;
mod ends;
mod requests;

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::try_join_all;
use prism_proto::interfaces::list::{
    ClearRequest, End as WireEnd, GetRangeRequest, ReserveRequest, ReserveResponse,
};
use prism_proto::limits::{LEASE_TOKEN_BYTES_MAX, MESSAGE_BYTES_MAX};
use prism_proto::rpc::list as rpc;
use prost::Message as _;

use self::calls::{LONG, ack, ended, has_ended, pop_each, push_each, release, request, reserve, text};
use self::ends::{
    every_call_returns_ended_leases, extend_gives_more_time, lease_that_ends_returns_its_values,
    max_deliveries_moves_values, sweep_serves_waiters,
};
use self::requests::{gone_waiter_reserves_nothing, requests_are_checked, waits_for_a_value};
use super::table;
use crate::conformance::expect::{Verdict, holds, same};
use crate::conformance::trial::Trial;
use crate::list::End;

table! {
    "list-reserve/takes-values-as-pops-would",
        "Reserve returns up to count values of the end asked for, as single pops would",
        [List, ListReserve], takes_values_as_pops_would;
    "list-reserve/lease-is-a-short-token",
        "a lease is named by 1 to 64 bytes, different for each, and by nothing where there are no values",
        [List, ListReserve], lease_is_a_short_token;
    "list-reserve/reserved-values-are-left-out",
        "Length, GetRange and pops leave reserved values out",
        [List, ListRange, ListReserve], reserved_values_are_left_out;
    "list-reserve/values-are-reserved-once",
        "concurrent calls of Reserve: no value is under two leases",
        [List, ListReserve], values_are_reserved_once;
    "list-reserve/stops-at-the-message-limit",
        "Reserve returns no more than fits into a message, at least one value, and leaves the rest",
        [List, ListReserve], stops_at_the_message_limit;
    "list-reserve/waits-for-a-value",
        "Reserve waits for a first value as long as wait_millis says, and ends without one",
        [List, ListReserve], waits_for_a_value;
    "list-reserve/gone-waiter-reserves-nothing",
        "a value that is pushed after a waiting Reserve has gone stays in the list",
        [List, ListReserve], gone_waiter_reserves_nothing;
    "list-reserve/ack-removes-for-good",
        "Ack says how many values it removes, and they do not return when the lease would have ended",
        [List, ListReserve], ack_removes_for_good;
    "list-reserve/ack-ends-the-lease",
        "Ack, Extend and Release after an Ack get NOT_FOUND / LEASE_ENDED",
        [List, ListReserve], ack_ends_the_lease;
    "list-reserve/release-returns-at-once",
        "Release returns the values to their end in their order, says how many, and ends the lease",
        [List, ListReserve], release_returns_at_once;
    "list-reserve/lease-belongs-to-its-list",
        "Ack, Extend and Release of a lease of another list get NOT_FOUND / LEASE_ENDED",
        [List, ListReserve], lease_belongs_to_its_list;
    "list-reserve/lease-that-ends-returns-its-values",
        "when a lease ends, its values return to the end they came from, in their order",
        [List, ListReserve], lease_that_ends_returns_its_values;
    "list-reserve/every-call-returns-ended-leases",
        "every call on the list first returns the values of leases that have ended, and Ack, Extend and Release find them ended",
        [List, ListReserve], every_call_returns_ended_leases;
    "list-reserve/sweep-serves-waiters",
        "within 1 s of a lease's end, its values are given to those who wait",
        [List, ListReserve], sweep_serves_waiters;
    "list-reserve/extend-gives-more-time",
        "Extend lets a lease end lease_millis from now",
        [List, ListReserve], extend_gives_more_time;
    "list-reserve/deliveries-are-counted",
        "each value says how often it has been delivered",
        [List, ListReserve], deliveries_are_counted;
    "list-reserve/max-deliveries-moves-values",
        "a value that has been delivered max_deliveries times moves to the right end of the dead letter list",
        [List, ListReserve], max_deliveries_moves_values;
    "list-reserve/clear-ends-leases",
        "Clear ends the leases of a list along with their values",
        [List, ListRange, ListReserve], clear_ends_leases;
    "list-reserve/requests-are-checked",
        "count, lease_millis, wait_millis, end, and max_deliveries without a dead letter list or the other way round are refused with INVALID_ARGUMENT",
        [List, ListReserve], requests_are_checked;
}

async fn takes_values_as_pops_would(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    push_each(t, &list, "abcdef").await?;
    let left = reserve(t, &list, 2, LONG).await?;
    same("Reserve of 2 of 6 values at the left end", &*text(&left), "ab")?;
    let right = ReserveRequest { end: WireEnd::Right.into(), ..request(t, &list, 2, LONG) };
    let right = t.call::<rpc::Reserve>(right).await?;
    same("Reserve of 2 at the right end", &*text(&right), "fe")?;
    same("Reserve of 1,000 of the last 2", &*text(&reserve(t, &list, 1000, LONG).await?), "cd")?;
    for lease in [&left.lease, &right.lease] {
        t.call::<rpc::Ack>(ack(t, &list, lease)).await?;
    }
    Ok(())
}

async fn lease_is_a_short_token(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    push_each(t, &list, "ab").await?;
    let (first, second) = (reserve(t, &list, 1, LONG).await?, reserve(t, &list, 1, LONG).await?);
    for ReserveResponse { lease, .. } in [&first, &second] {
        holds((1..=LEASE_TOKEN_BYTES_MAX).contains(&lease.len()), || {
            format!("Reserve named its lease with {} bytes", lease.len())
        })?;
    }
    holds(first.lease != second.lease, || "Reserve named two leases alike".to_owned())?;
    let none = reserve(t, &list, 1, LONG).await?;
    same("Reserve of an empty list", &none, &ReserveResponse::default())
}

async fn reserved_values_are_left_out(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    push_each(t, &list, "abcd").await?;
    let reserved = reserve(t, &list, 2, LONG).await?;
    same("Length after Reserve of 2 of 4 values", &t.length(&list).await?, &2)?;
    let (namespace, list_key) = (t.namespace.clone(), list.clone());
    let range = GetRangeRequest { namespace, list_key, start: 0, stop: -1 };
    let range = t.stream::<rpc::GetRange>(range).await?;
    let values: Vec<_> = range.into_iter().map(|item| item.value).collect();
    same("GetRange after Reserve of 2 of 4 values", &values.concat(), &b"cd".to_vec())?;
    same("pops after Reserve of 2 of 4 values", &*pop_each(t, &list, 2).await?, "cd")?;
    t.call::<rpc::Ack>(ack(t, &list, &reserved.lease)).await.map(drop)
}

async fn values_are_reserved_once(t: &Trial<'_>) -> Verdict {
    const VALUES: usize = 60;
    let list = t.list("l");
    for number in 0..VALUES {
        t.push(End::Right, &list, number.to_string()).await?;
    }
    let reserved = try_join_all((0..VALUES / 3).map(|_| reserve(t, &list, 4, LONG))).await?;
    let mut values: Vec<_> = reserved.into_iter().flat_map(|reserved| reserved.values).collect();
    values.sort_by(|a, b| a.value.cmp(&b.value));
    values.dedup_by(|a, b| a.value == b.value);
    same("the different values among those of concurrent calls of Reserve", &values.len(), &VALUES)?;
    same("Length after Reserve of all values", &t.length(&list).await?, &0)
}

async fn stops_at_the_message_limit(t: &Trial<'_>) -> Verdict {
    const SIZE: usize = 1024 * 1024;
    let list = t.list("l");
    for _ in 0..5 {
        t.push(End::Right, &list, vec![7; SIZE]).await?;
    }
    let mut left = 5;
    while left > 0 {
        let reserved = reserve(t, &list, 5, LONG).await?;
        let (count, bytes) = (reserved.values.len(), reserved.encoded_len());
        holds(count > 0 && bytes <= MESSAGE_BYTES_MAX, || {
            format!("Reserve of 5 values of 1 MiB: {count} values in a message of {bytes} bytes")
        })?;
        t.call::<rpc::Ack>(ack(t, &list, &reserved.lease)).await?;
        left -= count.min(left);
        same("Length after Reserve", &t.length(&list).await?, &(left as i64))?;
    }
    Ok(())
}

async fn ack_removes_for_good(t: &Trial<'_>) -> Verdict {
    const LEASE: Duration = Duration::from_secs(2);
    let list = t.list("l");
    push_each(t, &list, "abc").await?;
    let reserved = reserve(t, &list, 2, 2000).await?;
    let begun = Instant::now();
    let acked = t.call::<rpc::Ack>(ack(t, &list, &reserved.lease)).await?;
    same("Ack of 2 values", &acked.removed, &2)?;
    ended(begun, LEASE).await;
    same("the values after the time of the lease", &*pop_each(t, &list, 3).await?, "c")
}

async fn ack_ends_the_lease(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    push_each(t, &list, "ab").await?;
    let reserved = reserve(t, &list, 2, LONG).await?;
    t.call::<rpc::Ack>(ack(t, &list, &reserved.lease)).await?;
    has_ended(t, "after Ack", &list, &reserved.lease).await
}

async fn release_returns_at_once(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    push_each(t, &list, "abc").await?;
    let reserved = reserve(t, &list, 2, LONG).await?;
    let released = t.call::<rpc::Release>(release(t, &list, &reserved.lease)).await?;
    same("Release of 2 values", &released.returned, &2)?;
    has_ended(t, "after Release", &list, &reserved.lease).await?;
    same("the values after Release", &*pop_each(t, &list, 3).await?, "abc")
}

async fn lease_belongs_to_its_list(t: &Trial<'_>) -> Verdict {
    let (list, other) = (t.list("l"), t.list("other"));
    push_each(t, &list, "a").await?;
    push_each(t, &other, "b").await?;
    let (reserved, others) = (reserve(t, &list, 1, LONG).await?, reserve(t, &other, 1, LONG).await?);
    has_ended(t, "with a lease of another list", &other, &reserved.lease).await?;
    has_ended(t, "with a name that no lease has", &list, &Bytes::from_static(b"no lease")).await?;
    for (list, lease) in [(&list, &reserved.lease), (&other, &others.lease)] {
        let acked = t.call::<rpc::Ack>(ack(t, list, lease)).await?;
        same("Ack after refused calls", &acked.removed, &1)?;
    }
    Ok(())
}

async fn deliveries_are_counted(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    push_each(t, &list, "ab").await?;
    for delivery in 1..=3 {
        let reserved = reserve(t, &list, 1, LONG).await?;
        let deliveries: Vec<_> = reserved.values.iter().map(|value| value.deliveries).collect();
        same(format!("the deliveries of a value at delivery {delivery}"), &deliveries, &vec![delivery])?;
        t.call::<rpc::Release>(release(t, &list, &reserved.lease)).await?;
    }
    let reserved = reserve(t, &list, 2, LONG).await?;
    let deliveries: Vec<_> = reserved.values.iter().map(|value| value.deliveries).collect();
    same(
        "the deliveries of a value that has been delivered, and of one that has not",
        &deliveries,
        &vec![4, 1],
    )
}

async fn clear_ends_leases(t: &Trial<'_>) -> Verdict {
    const LEASE: Duration = Duration::from_secs(2);
    let list = t.list("l");
    push_each(t, &list, "abc").await?;
    let reserved = reserve(t, &list, 2, 2000).await?;
    let begun = Instant::now();
    let clear = ClearRequest { namespace: t.namespace.clone(), list_key: list.clone() };
    let cleared = t.call::<rpc::Clear>(clear).await?;
    same("Clear of a list of 1 value and 2 reserved ones", &cleared.removed, &1)?;
    has_ended(t, "after Clear", &list, &reserved.lease).await?;
    ended(begun, LEASE).await;
    same("Length after the time of a lease that was cleared", &t.length(&list).await?, &0)
}
