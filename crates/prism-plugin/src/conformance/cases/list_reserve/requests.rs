//! Requests that are refused, that wait, and that are given up.

use std::time::{Duration, Instant};

use prism_proto::ErrorReason::{
    BatchTooLarge, EndInvalid, KeyInvalid, LeaseInvalid, LimitInvalid, WaitInvalid,
};
use prism_proto::interfaces::list::{ReserveRequest, ReserveResponse};
use prism_proto::rpc::list as rpc;

use super::calls::{LONG, extend, has_ended, request, reserve, text};
use crate::conformance::expect::{Verdict, failed, holds, same};
use crate::conformance::trial::Trial;
use crate::list::End;

/// How long after another a call is made that must arrive behind it.
const BEHIND: Duration = Duration::from_millis(50);

pub(super) async fn waits_for_a_value(t: &Trial<'_>) -> Verdict {
    const WAIT: Duration = Duration::from_millis(300);
    let list = t.list("l");
    let push = async {
        tokio::time::sleep(BEHIND).await;
        t.push(End::Right, &list, "v").await
    };
    let wanted = ReserveRequest { wait_millis: 30_000, ..request(t, &list, 10, LONG) };
    let (reserved, pushed) = tokio::join!(t.call::<rpc::Reserve>(wanted), push);
    same("Reserve of a value that was pushed later", &*text(&reserved?), "v")?;
    pushed?;
    same("Length after Reserve", &t.length(&list).await?, &0)?;
    let begun = Instant::now();
    let wanted = ReserveRequest { wait_millis: 300, ..request(t, &list, 10, LONG) };
    let reserved = t.call::<rpc::Reserve>(wanted).await?;
    same("Reserve with wait_millis 300 of an empty list", &reserved, &ReserveResponse::default())?;
    holds(begun.elapsed() >= WAIT, || {
        format!("Reserve with wait_millis 300 of an empty list ended after {:?}", begun.elapsed())
    })
}

pub(super) async fn gone_waiter_reserves_nothing(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    // On a connection of its own, so that what follows is not sent before the reset.
    let client = t.connected_anew(None)?;
    let wanted = ReserveRequest { wait_millis: 30_000, ..request(t, &list, 1, LONG) };
    let waiter = client.try_call::<rpc::Reserve>(wanted);
    if tokio::time::timeout(BEHIND * 2, waiter).await.is_ok() {
        return failed("Reserve of an empty list ended at once");
    }
    tokio::time::sleep(BEHIND * 2).await;
    t.push(End::Right, &list, "v").await?;
    same("Length after a push behind a waiting Reserve that has gone", &t.length(&list).await?, &1)?;
    let reserved = reserve(t, &list, 1, LONG).await?;
    let deliveries: Vec<_> = reserved.values.iter().map(|value| value.deliveries).collect();
    same("the deliveries after a waiting Reserve has gone", &deliveries, &vec![1])
}

pub(super) async fn requests_are_checked(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    t.push(End::Right, &list, "v").await?;
    let valid = || request(t, &list, 1, LONG);
    let dead = || t.list("dead");
    let wrong = [
        ("end 0", EndInvalid, ReserveRequest { end: 0, ..valid() }),
        ("end 3", EndInvalid, ReserveRequest { end: 3, ..valid() }),
        ("count 0", LimitInvalid, ReserveRequest { count: 0, ..valid() }),
        ("count -1", LimitInvalid, ReserveRequest { count: -1, ..valid() }),
        ("count 1,001", BatchTooLarge, ReserveRequest { count: 1001, ..valid() }),
        ("lease_millis 0", LeaseInvalid, ReserveRequest { lease_millis: 0, ..valid() }),
        ("lease_millis -1", LeaseInvalid, ReserveRequest { lease_millis: -1, ..valid() }),
        ("a lease over 12 hours", LeaseInvalid, ReserveRequest { lease_millis: 43_200_001, ..valid() }),
        ("wait_millis -1", WaitInvalid, ReserveRequest { wait_millis: -1, ..valid() }),
        ("wait_millis 300,001", WaitInvalid, ReserveRequest { wait_millis: 300_001, ..valid() }),
        ("max_deliveries alone", LimitInvalid, ReserveRequest { max_deliveries: Some(1), ..valid() }),
        (
            "a dead letter list alone",
            LimitInvalid,
            ReserveRequest { dead_letter_list_key: dead(), ..valid() },
        ),
        (
            "max_deliveries 0",
            LimitInvalid,
            ReserveRequest { max_deliveries: Some(0), dead_letter_list_key: dead(), ..valid() },
        ),
        (
            "the list as its dead letter list",
            LimitInvalid,
            ReserveRequest { max_deliveries: Some(1), dead_letter_list_key: list.clone(), ..valid() },
        ),
        (
            "a dead letter list of 4,097 bytes",
            KeyInvalid,
            ReserveRequest { max_deliveries: Some(1), dead_letter_list_key: "k".repeat(4097), ..valid() },
        ),
    ];
    for (what, reason, request) in wrong {
        let answer = t.try_call::<rpc::Reserve>(request).await;
        t.refused(&format!("Reserve with {what}"), answer, &[reason])?;
    }
    let reserved = reserve(t, &list, 1, LONG).await?;
    same("Reserve after refused ones", &*text(&reserved), "v")?;
    for millis in [0, -1, 43_200_001] {
        let answer = t.try_call::<rpc::Extend>(extend(t, &list, &reserved.lease, millis)).await;
        t.refused(&format!("Extend with lease_millis {millis}"), answer, &[LeaseInvalid])?;
    }
    has_ended(t, "with a name of 65 bytes", &list, &vec![7; 65].into()).await
}
