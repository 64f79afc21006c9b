//! Pops that wait.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{FuturesOrdered, StreamExt as _};
use prism_proto::ErrorReason::{EndInvalid, WaitInvalid};
use prism_proto::interfaces::list::{BlockingPopRequest, End as WireEnd};
use prism_proto::rpc::list as rpc;

use super::table;
use crate::conformance::expect::{Verdict, failed, holds, same};
use crate::conformance::trial::Trial;
use crate::list::End;

table! {
    "list-blocking/takes-what-is-there",
        "BlockingPop returns a value that is there at once, from the end asked for",
        [List, ListBlocking], takes_what_is_there;
    "list-blocking/waits-for-a-value",
        "BlockingPop of an empty list returns a value that is pushed while it waits",
        [List, ListBlocking], waits_for_a_value;
    "list-blocking/wait-ends",
        "a wait ends with found = false after wait_millis, and at once for 0",
        [List, ListBlocking], wait_ends;
    "list-blocking/wait-is-checked",
        "wait_millis below 0 or over 300,000, and an end that is none, are refused with INVALID_ARGUMENT / WAIT_INVALID and END_INVALID",
        [List, ListBlocking], wait_is_checked;
    "list-blocking/waiters-are-served-in-order",
        "where linearizable is declared, waiters are served in the order in which they came",
        [List, ListBlocking, Linearizable], waiters_are_served_in_order;
    "list-blocking/gone-waiter-takes-nothing",
        "a value that is pushed after its waiter has gone stays in the list",
        [List, ListBlocking], gone_waiter_takes_nothing;
}

/// How long after another a call is made that must arrive behind it.
const BEHIND: Duration = Duration::from_millis(50);

/// A wait that no test waits out.
const LONG: i64 = 30_000;

fn request(t: &Trial<'_>, list: &str, end: End, wait_millis: i64) -> BlockingPopRequest {
    let end = if end == End::Left { WireEnd::Left } else { WireEnd::Right };
    BlockingPopRequest {
        namespace: t.namespace.clone(),
        list_key: list.to_owned(),
        end: end.into(),
        wait_millis,
    }
}

async fn pop(t: &Trial<'_>, list: &str, end: End, wait_millis: i64) -> Verdict<Option<Bytes>> {
    let got = t.call::<rpc::BlockingPop>(request(t, list, end, wait_millis)).await?;
    Ok(got.found.then_some(got.value))
}

async fn takes_what_is_there(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    for value in ["a", "b", "c"] {
        t.push(End::Right, &list, value).await?;
    }
    for (end, value) in [(End::Left, "a"), (End::Right, "c"), (End::Left, "b")] {
        let got = pop(t, &list, end, LONG).await?;
        same(format!("BlockingPop at the end {end:?}"), &got, &Some(value.into()))?;
    }
    same("Length after BlockingPop of all values", &t.length(&list).await?, &0)
}

async fn waits_for_a_value(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    let push = async {
        tokio::time::sleep(BEHIND).await;
        t.push(End::Right, &list, "v").await
    };
    let (got, pushed) = tokio::join!(pop(t, &list, End::Left, LONG), push);
    same("BlockingPop of a value that was pushed later", &got?, &Some("v".into()))?;
    pushed?;
    same("Length after BlockingPop", &t.length(&list).await?, &0)
}

async fn wait_ends(t: &Trial<'_>) -> Verdict {
    const WAIT: Duration = Duration::from_millis(300);
    let list = t.list("missing");
    same("BlockingPop with wait_millis 0 of a missing list", &pop(t, &list, End::Left, 0).await?, &None)?;
    let begun = Instant::now();
    same("BlockingPop with wait_millis 300 of a missing list", &pop(t, &list, End::Left, 300).await?, &None)?;
    holds(begun.elapsed() >= WAIT, || {
        format!("BlockingPop with wait_millis 300 of a missing list ended after {:?}", begun.elapsed())
    })
}

async fn wait_is_checked(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    t.push(End::Right, &list, "v").await?;
    for wait in [-1, 300_001, i64::MAX, i64::MIN] {
        let answer = t.try_call::<rpc::BlockingPop>(request(t, &list, End::Left, wait)).await;
        t.refused(&format!("BlockingPop with wait_millis {wait}"), answer, &[WaitInvalid])?;
    }
    for end in [0, 3] {
        let request = BlockingPopRequest { end, ..request(t, &list, End::Left, 0) };
        let answer = t.try_call::<rpc::BlockingPop>(request).await;
        t.refused(&format!("BlockingPop with end {end}"), answer, &[EndInvalid])?;
    }
    same("Length after refused calls of BlockingPop", &t.length(&list).await?, &1)
}

async fn waiters_are_served_in_order(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    let mut waiters = FuturesOrdered::new();
    for _ in 0..5 {
        waiters.push_back(pop(t, &list, End::Left, LONG));
        // Calls behind it on the same connection, so that it has arrived.
        let behind = async {
            tokio::time::sleep(BEHIND).await;
            t.length(&list).await?;
            t.length(&list).await
        };
        tokio::select! {
            _ = waiters.next() => return failed("BlockingPop of an empty list ended at once"),
            length = behind => same("Length while others wait", &length?, &0)?,
        }
    }
    for number in 0..5 {
        t.push(End::Right, &list, number.to_string()).await?;
    }
    for number in 0..5 {
        let got = waiters.next().await.transpose()?.flatten();
        same(format!("what waiter {number} of 5 got"), &got, &Some(number.to_string().into()))?;
    }
    Ok(())
}

async fn gone_waiter_takes_nothing(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    // On a connection of its own, so that what follows is not sent before the reset.
    let client = t.connected_anew(None)?;
    let waiter = client.try_call::<rpc::BlockingPop>(request(t, &list, End::Left, LONG));
    if tokio::time::timeout(BEHIND * 2, waiter).await.is_ok() {
        return failed("BlockingPop of an empty list ended at once");
    }
    tokio::time::sleep(BEHIND * 2).await;
    t.push(End::Right, &list, "v").await?;
    same("Length after a push behind a waiter that has gone", &t.length(&list).await?, &1)?;
    same("PopLeft after a waiter has gone", &t.pop(End::Left, &list).await?, &Some("v".into()))
}
