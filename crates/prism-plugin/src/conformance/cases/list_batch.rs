//! Batches of values.

use bytes::Bytes;
use prism_proto::ErrorReason::{BatchTooLarge, EndInvalid, LimitInvalid};
use prism_proto::interfaces::list::{End as WireEnd, PopManyRequest, PushManyRequest, PushManyResponse};
use prism_proto::limits::{BATCH_ITEMS_MAX, MESSAGE_BYTES_MAX};
use prism_proto::rpc::list as rpc;
use prost::Message as _;

use super::table;
use crate::conformance::expect::{Verdict, holds, same};
use crate::conformance::trial::Trial;
use crate::list::End;

table! {
    "list-batch/push-many-adds-in-order",
        "PushMany adds values one after another, as single pushes would",
        [List, ListBatch], push_many_adds_in_order;
    "list-batch/max-len-trims-the-other-end",
        "PushMany with max_len removes what is over it at the other end, and says how many",
        [List, ListBatch], max_len_trims_the_other_end;
    "list-batch/pop-many-takes-up-to-count",
        "PopMany returns up to count values, as single pops would, and removes the list with its last value",
        [List, ListBatch], pop_many_takes_up_to_count;
    "list-batch/pop-many-stops-at-the-message-limit",
        "PopMany returns no more than fits into a message, at least one value, and leaves the rest",
        [List, ListBatch], pop_many_stops_at_the_message_limit;
    "list-batch/requests-are-checked",
        "an end that is none, more than 1,000 values, and a count or max_len below 1 are refused with INVALID_ARGUMENT, and nothing is applied",
        [List, ListBatch], requests_are_checked;
}

fn wire(end: End) -> i32 {
    match end {
        End::Left => WireEnd::Left.into(),
        End::Right => WireEnd::Right.into(),
    }
}

fn push(t: &Trial<'_>, list: &str, end: End, values: &str, max_len: Option<i64>) -> PushManyRequest {
    PushManyRequest {
        namespace: t.namespace.clone(),
        list_key: list.to_owned(),
        end: wire(end),
        values: values.chars().map(|value| Bytes::from(value.to_string())).collect(),
        max_len,
    }
}

fn pop(t: &Trial<'_>, list: &str, end: End, count: i64) -> PopManyRequest {
    PopManyRequest { namespace: t.namespace.clone(), list_key: list.to_owned(), end: wire(end), count }
}

async fn popped(t: &Trial<'_>, list: &str, end: End, count: i64) -> Verdict<Vec<u8>> {
    Ok(t.call::<rpc::PopMany>(pop(t, list, end, count)).await?.values.concat())
}

async fn push_many_adds_in_order(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    for (end, values, new_length) in [(End::Right, "abc", 3), (End::Left, "xyz", 6), (End::Left, "", 6)] {
        let pushed = t.call::<rpc::PushMany>(push(t, &list, end, values, None)).await?;
        let expected = PushManyResponse { new_length, trimmed: 0 };
        same(format!("PushMany of {values:?} at the end {end:?}"), &pushed, &expected)?;
    }
    let values = t.drain(End::Left, &list, 6).await?.concat();
    same(
        "the values after PushMany of abc at the right and xyz at the left end",
        &values,
        &b"zyxabc".to_vec(),
    )
}

async fn max_len_trims_the_other_end(t: &Trial<'_>) -> Verdict {
    for (end, left) in [(End::Right, "cde"), (End::Left, "edc")] {
        let list = t.list(&format!("{end:?}"));
        let pushed = t.call::<rpc::PushMany>(push(t, &list, end, "ab", Some(3))).await?;
        same(
            "PushMany of 2 values with max_len 3",
            &pushed,
            &PushManyResponse { new_length: 2, trimmed: 0 },
        )?;
        let pushed = t.call::<rpc::PushMany>(push(t, &list, end, "cde", Some(3))).await?;
        same("PushMany of 3 more", &pushed, &PushManyResponse { new_length: 3, trimmed: 2 })?;
        let values = t.drain(End::Left, &list, 5).await?.concat();
        same(
            format!("the values after PushMany with max_len 3 at the end {end:?}"),
            &values,
            &left.as_bytes().to_vec(),
        )?;
    }
    Ok(())
}

async fn pop_many_takes_up_to_count(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    t.call::<rpc::PushMany>(push(t, &list, End::Right, "abcdefg", None)).await?;
    same("PopMany of 2 at the left end", &popped(t, &list, End::Left, 2).await?, &b"ab".to_vec())?;
    same("PopMany of 3 at the right end", &popped(t, &list, End::Right, 3).await?, &b"gfe".to_vec())?;
    same("PopMany of 1,000 of the last 2", &popped(t, &list, End::Left, 1000).await?, &b"cd".to_vec())?;
    same("Length after PopMany of all values", &t.length(&list).await?, &0)?;
    same("PopMany of a missing list", &popped(t, &list, End::Left, 1).await?, &Vec::new())
}

async fn pop_many_stops_at_the_message_limit(t: &Trial<'_>) -> Verdict {
    const SIZE: usize = 1024 * 1024;
    let list = t.list("l");
    for _ in 0..5 {
        t.push(End::Right, &list, vec![7; SIZE]).await?;
    }
    let mut left = 5;
    while left > 0 {
        let response = t.call::<rpc::PopMany>(pop(t, &list, End::Left, 5)).await?;
        let (count, bytes) = (response.values.len(), response.encoded_len());
        holds(count > 0 && bytes <= MESSAGE_BYTES_MAX, || {
            format!("PopMany of 5 values of 1 MiB: {count} values in a message of {bytes} bytes")
        })?;
        left -= count.min(left);
        same("Length after PopMany", &t.length(&list).await?, &(left as i64))?;
    }
    Ok(())
}

async fn requests_are_checked(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    t.push(End::Right, &list, "v").await?;
    for end in [0, 3, -1] {
        let answer = t
            .try_call::<rpc::PushMany>(PushManyRequest { end, ..push(t, &list, End::Left, "a", None) })
            .await;
        t.refused(&format!("PushMany with end {end}"), answer, &[EndInvalid])?;
        let answer = t.try_call::<rpc::PopMany>(PopManyRequest { end, ..pop(t, &list, End::Left, 1) }).await;
        t.refused(&format!("PopMany with end {end}"), answer, &[EndInvalid])?;
    }
    let many = "v".repeat(BATCH_ITEMS_MAX + 1);
    let answer = t.try_call::<rpc::PushMany>(push(t, &list, End::Right, &many, None)).await;
    t.refused("PushMany of 1,001 values", answer, &[BatchTooLarge])?;
    let answer = t.try_call::<rpc::PopMany>(pop(t, &list, End::Right, 1001)).await;
    t.refused("PopMany of 1,001 values", answer, &[BatchTooLarge])?;
    for number in [0, -1, i64::MIN] {
        let answer = t.try_call::<rpc::PushMany>(push(t, &list, End::Right, "a", Some(number))).await;
        t.refused(&format!("PushMany with max_len {number}"), answer, &[LimitInvalid])?;
        let answer = t.try_call::<rpc::PopMany>(pop(t, &list, End::Right, number)).await;
        t.refused(&format!("PopMany with count {number}"), answer, &[LimitInvalid])?;
    }
    same("Length after refused batches", &t.length(&list).await?, &1)
}
