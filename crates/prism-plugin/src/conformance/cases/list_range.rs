//! Parts of lists.

use bytes::Bytes;
use prism_proto::interfaces::list::{ClearRequest, GetRangeRequest, TrimRequest};
use prism_proto::rpc::list as rpc;

use super::table;
use crate::conformance::expect::{Verdict, same};
use crate::conformance::trial::Trial;
use crate::list::End;

table! {
    "list-range/both-ends-are-included",
        "GetRange returns the values from start to stop, both included, and counts negative indices from the right end",
        [List, ListRange], both_ends_are_included;
    "list-range/outside-is-empty",
        "GetRange outside of the list, or of a missing one, returns nothing, which is not an error",
        [List, ListRange], outside_is_empty;
    "list-range/many-values-arrive-whole",
        "GetRange returns a list that is longer than a page and larger than a message",
        [List, ListRange], many_values_arrive_whole;
    "list-range/trim-keeps-the-range",
        "Trim removes all values outside of its range and returns the new length",
        [List, ListRange], trim_keeps_the_range;
    "list-range/trim-to-nothing-removes-the-list",
        "Trim to a range outside of the list removes the list",
        [List, ListRange], trim_to_nothing_removes_the_list;
    "list-range/clear-removes-the-list",
        "Clear removes a list and returns how many values it had, 0 for a missing one",
        [List, ListRange], clear_removes_the_list;
}

async fn push_digits(t: &Trial<'_>, list: &str, count: u8) -> Verdict {
    for digit in 0..count {
        t.push(End::Right, list, digit.to_string()).await?;
    }
    Ok(())
}

async fn range(t: &Trial<'_>, list: &str, start: i64, stop: i64) -> Verdict<Vec<Bytes>> {
    let (namespace, list_key) = (t.namespace.clone(), list.to_owned());
    let values = t.stream::<rpc::GetRange>(GetRangeRequest { namespace, list_key, start, stop }).await?;
    Ok(values.into_iter().map(|response| response.value).collect())
}

async fn trim(t: &Trial<'_>, list: &str, start: i64, stop: i64) -> Verdict<i64> {
    let (namespace, list_key) = (t.namespace.clone(), list.to_owned());
    Ok(t.call::<rpc::Trim>(TrimRequest { namespace, list_key, start, stop }).await?.new_length)
}

async fn both_ends_are_included(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    push_digits(t, &list, 7).await?;
    for (start, stop, expected) in [
        (0, -1, "0123456"),
        (0, 0, "0"),
        (2, 4, "234"),
        (-3, -1, "456"),
        (-2, 100, "56"),
        (-100, 1, "01"),
        (i64::MIN, i64::MAX, "0123456"),
    ] {
        let values = range(t, &list, start, stop).await?.concat();
        same(format!("GetRange from {start} to {stop} of 0 to 6"), &values, &expected.as_bytes().to_vec())?;
    }
    Ok(())
}

async fn outside_is_empty(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    push_digits(t, &list, 3).await?;
    for (start, stop) in [(3, 9), (2, 1), (-1, -2), (0, -4), (i64::MAX, i64::MAX)] {
        let values = range(t, &list, start, stop).await?;
        same(format!("values of GetRange from {start} to {stop} of 3 values"), &values.len(), &0)?;
    }
    same("values of GetRange of a missing list", &range(t, &t.list("missing"), 0, -1).await?.len(), &0)
}

async fn many_values_arrive_whole(t: &Trial<'_>) -> Verdict {
    const SIZE: usize = 64 * 1024;
    let list = t.list("l");
    let values: Vec<_> = (0..70_u8).map(|n| Bytes::from(vec![n; SIZE])).collect();
    for value in &values {
        t.push(End::Right, &list, value.clone()).await?;
    }
    let arrived = range(t, &list, 0, -1).await?;
    same("values of GetRange of 70 values of 64 KiB", &arrived.len(), &70)?;
    same("whether they are what was pushed", &(arrived == values), &true)
}

async fn trim_keeps_the_range(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    push_digits(t, &list, 9).await?;
    for (start, stop, expected) in [(0, -1, "012345678"), (1, -2, "1234567"), (2, 4, "345"), (-2, -1, "45")] {
        let length = trim(t, &list, start, stop).await?;
        same(format!("new_length of Trim to {start} to {stop}"), &length, &(expected.len() as i64))?;
        let values = range(t, &list, 0, 100).await?.concat();
        same(format!("values after Trim to {start} to {stop}"), &values, &expected.as_bytes().to_vec())?;
    }
    Ok(())
}

async fn trim_to_nothing_removes_the_list(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    push_digits(t, &list, 3).await?;
    same("new_length of Trim to a range outside", &trim(t, &list, 3, 9).await?, &0)?;
    same("Length after Trim to nothing", &t.length(&list).await?, &0)?;
    same("new_length of Trim of a missing list", &trim(t, &list, 0, -1).await?, &0)
}

async fn clear_removes_the_list(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    push_digits(t, &list, 6).await?;
    for expected in [6, 0] {
        let request = ClearRequest { namespace: t.namespace.clone(), list_key: list.clone() };
        same("removed of Clear", &t.call::<rpc::Clear>(request).await?.removed, &expected)?;
        same("Length after Clear", &t.length(&list).await?, &0)?;
    }
    Ok(())
}
