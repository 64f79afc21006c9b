//! Which lists there are.

use bytes::Bytes;
use prism_proto::ErrorReason::{LimitInvalid, ResumeInvalid};
use prism_proto::interfaces::list::{CountListsRequest, ScanListsRequest, ScanListsResponse};
use prism_proto::rpc::list as rpc;

use super::table;
use crate::conformance::calls::Client;
use crate::conformance::expect::{Verdict, holds, same};
use crate::conformance::trial::Trial;
use crate::list::End;

table! {
    "lists/scan-returns-names-and-lengths",
        "ScanLists returns each list with a prefix once, with its length",
        [List, ListScan], scan_returns_names_and_lengths;
    "lists/scan-sees-its-namespace-only",
        "ScanLists sees only the lists of its namespace",
        [List, ListScan], scan_sees_its_namespace_only;
    "lists/limit-bounds-the-answer",
        "ScanLists returns at most limit lists, all for 0; negative gets INVALID_ARGUMENT / LIMIT_INVALID",
        [List, ListScan], limit_bounds_the_answer;
    "lists/count-is-exact",
        "where exact_count is declared, CountLists is the number of lists with a prefix",
        [List, ListScan, ExactCount], count_is_exact;
    "lists/resume-leaves-no-gap",
        "where resumable is declared, ScanLists continued at its tokens returns every list, and refuses other tokens",
        [List, ListScan, Resumable], resume_leaves_no_gap;
}

fn scan(client: &Client, prefix: &str, limit: i32) -> ScanListsRequest {
    ScanListsRequest {
        namespace: client.namespace.clone(),
        prefix: prefix.to_owned(),
        limit,
        resume: Bytes::new(),
    }
}

async fn count(client: &Client, prefix: &str) -> Verdict<i64> {
    let request = CountListsRequest { namespace: client.namespace.clone(), prefix: prefix.to_owned() };
    Ok(client.call::<rpc::CountLists>(request).await?.count)
}

/// Creates lists of 1, 2, 3 and so on values, in the order of their names.
async fn lists(t: &Trial<'_>, count: usize) -> Verdict<Vec<(String, i64)>> {
    let mut lists = Vec::new();
    for n in 0..count {
        let list = t.list(&format!("l{n:03}"));
        let length = n % 3 + 1;
        for _ in 0..length {
            t.push(End::Right, &list, "v").await?;
        }
        lists.push((list, length as i64));
    }
    Ok(lists)
}

fn named(items: Vec<ScanListsResponse>) -> Vec<(String, i64)> {
    let mut items: Vec<_> = items.into_iter().map(|item| (item.list_key, item.length)).collect();
    items.sort_unstable();
    items
}

async fn scan_returns_names_and_lengths(t: &Trial<'_>) -> Verdict {
    let lists = lists(t, 12).await?;
    let emptied = t.list("emptied");
    t.push(End::Right, &emptied, "v").await?;
    t.pop(End::Left, &emptied).await?;
    let found = named(t.stream::<rpc::ScanLists>(scan(t, t.prefix(), 0)).await?);
    same("lists from ScanLists", &found, &lists)?;
    let one = named(t.stream::<rpc::ScanLists>(scan(t, &lists[3].0, 0)).await?);
    same("lists from ScanLists with a list's whole name", &one, &vec![lists[3].clone()])
}

async fn scan_sees_its_namespace_only(t: &Trial<'_>) -> Verdict {
    let other = t.new_namespace().await?;
    let lists = lists(t, 2).await?;
    let elsewhere = t.list("elsewhere");
    other.push(End::Right, &elsewhere, "v").await?;
    same("lists here", &named(t.stream::<rpc::ScanLists>(scan(t, t.prefix(), 0)).await?), &lists)?;
    let there = named(other.stream::<rpc::ScanLists>(scan(&other, t.prefix(), 0)).await?);
    same("lists of another namespace", &there, &vec![(elsewhere, 1)])
}

async fn limit_bounds_the_answer(t: &Trial<'_>) -> Verdict {
    lists(t, 7).await?;
    for (limit, expected) in [(1, 1), (3, 3), (7, 7), (8, 7), (0, 7)] {
        let found = t.stream::<rpc::ScanLists>(scan(t, t.prefix(), limit)).await?;
        same(format!("lists from ScanLists of 7 with limit {limit}"), &found.len(), &expected)?;
    }
    let answer = t.try_stream::<rpc::ScanLists>(scan(t, t.prefix(), -1)).await;
    t.refused("ScanLists with limit -1", answer, &[LimitInvalid])
}

async fn count_is_exact(t: &Trial<'_>) -> Verdict {
    same("CountLists before any is created", &count(t, t.prefix()).await?, &0)?;
    let lists = lists(t, 9).await?;
    same("CountLists of 9", &count(t, t.prefix()).await?, &9)?;
    same("CountLists with a list's whole name", &count(t, &lists[0].0).await?, &1)
}

async fn resume_leaves_no_gap(t: &Trial<'_>) -> Verdict {
    let lists = lists(t, 12).await?;
    let (mut arrived, mut request) = (Vec::new(), scan(t, t.prefix(), 0));
    let mut tokens = 0;
    loop {
        let items = t.stream::<rpc::ScanLists>(request.clone()).await?;
        let end = items.iter().position(|item| !item.resume.is_empty());
        let Some(end) = end else {
            arrived.extend(items);
            break;
        };
        request.resume = items[end].resume.clone();
        arrived.extend(items.into_iter().take(end + 1));
        tokens += 1;
        holds(tokens <= 12, || "ScanLists, continued at its tokens, goes in circles".to_owned())?;
    }
    holds(tokens > 0, || "ScanLists returned no resume token".to_owned())?;
    let mut arrived = named(arrived);
    arrived.dedup();
    same("lists from ScanLists, continued at its tokens", &arrived, &lists)?;
    let other = ScanListsRequest { prefix: lists[0].0.clone(), ..request };
    let answer = t.try_stream::<rpc::ScanLists>(other).await;
    t.refused("ScanLists with a token of another prefix", answer, &[ResumeInvalid])
}
