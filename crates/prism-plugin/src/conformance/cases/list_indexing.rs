//! Single values within lists.

use bytes::Bytes;
use prism_proto::ErrorReason::IndexOutOfRange;
use prism_proto::interfaces::list::{GetAtRequest, RemoveRequest, SetAtRequest};
use prism_proto::rpc::list as rpc;

use super::table;
use crate::conformance::expect::{Verdict, same};
use crate::conformance::trial::Trial;
use crate::list::End;

table! {
    "list-indexing/get-at-counts-from-both-ends",
        "GetAt returns the value at an index from the left end, or from -1 at the right end, and found = false outside",
        [List, ListIndexing], get_at_counts_from_both_ends;
    "list-indexing/set-at-replaces-one-value",
        "SetAt replaces the value at an index and no other",
        [List, ListIndexing], set_at_replaces_one_value;
    "list-indexing/set-at-outside-is-refused",
        "SetAt outside of the list gets OUT_OF_RANGE / INDEX_OUT_OF_RANGE and changes nothing",
        [List, ListIndexing], set_at_outside_is_refused;
    "list-indexing/remove-takes-from-either-end",
        "Remove takes count equal values from the left, -count from the right, and all for 0, and says how many",
        [List, ListIndexing], remove_takes_from_either_end;
}

async fn push_all(t: &Trial<'_>, list: &str, values: &str) -> Verdict {
    for value in values.chars() {
        t.push(End::Right, list, value.to_string()).await?;
    }
    Ok(())
}

/// The values of a list, which is empty afterwards.
async fn drained(t: &Trial<'_>, list: &str) -> Verdict<Vec<u8>> {
    Ok(t.drain(End::Left, list, 20).await?.concat())
}

async fn get_at(t: &Trial<'_>, list: &str, index: i64) -> Verdict<Option<Bytes>> {
    let (namespace, list_key) = (t.namespace.clone(), list.to_owned());
    let got = t.call::<rpc::GetAt>(GetAtRequest { namespace, list_key, index }).await?;
    Ok(got.found.then_some(got.value))
}

fn set_at(t: &Trial<'_>, list: &str, index: i64, value: &'static str) -> SetAtRequest {
    SetAtRequest { namespace: t.namespace.clone(), list_key: list.to_owned(), index, value: value.into() }
}

async fn get_at_counts_from_both_ends(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    push_all(t, &list, "abc").await?;
    for (index, expected) in [
        (0, Some("a")),
        (2, Some("c")),
        (-1, Some("c")),
        (-3, Some("a")),
        (3, None),
        (-4, None),
        (i64::MIN, None),
    ] {
        same(
            format!("GetAt {index} of a, b, c"),
            &get_at(t, &list, index).await?,
            &expected.map(Into::into),
        )?;
    }
    same("GetAt 0 of a missing list", &get_at(t, &t.list("missing"), 0).await?, &None)
}

async fn set_at_replaces_one_value(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    push_all(t, &list, "abcd").await?;
    t.call::<rpc::SetAt>(set_at(t, &list, 1, "long value")).await?;
    t.call::<rpc::SetAt>(set_at(t, &list, -1, "")).await?;
    same(
        "the values after SetAt 1 and -1 of a, b, c, d",
        &drained(t, &list).await?,
        &b"along valuec".to_vec(),
    )
}

async fn set_at_outside_is_refused(t: &Trial<'_>) -> Verdict {
    let (list, missing) = (t.list("l"), t.list("missing"));
    push_all(t, &list, "ab").await?;
    for index in [2, -3, i64::MAX, i64::MIN] {
        let answer = t.try_call::<rpc::SetAt>(set_at(t, &list, index, "x")).await;
        t.refused(&format!("SetAt {index} of two values"), answer, &[IndexOutOfRange])?;
    }
    let answer = t.try_call::<rpc::SetAt>(set_at(t, &missing, 0, "x")).await;
    t.refused("SetAt 0 of a missing list", answer, &[IndexOutOfRange])?;
    same("Length of a missing list after SetAt", &t.length(&missing).await?, &0)?;
    same("the values after refused calls of SetAt", &drained(t, &list).await?, &b"ab".to_vec())
}

async fn remove_takes_from_either_end(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    for (count, removed, left) in
        [(2, 2, "bcaa"), (-2, 2, "aabc"), (0, 4, "bc"), (9, 4, "bc"), (-9, 4, "bc"), (1, 1, "abcaa")]
    {
        push_all(t, &list, "aabcaa").await?;
        let (namespace, list_key) = (t.namespace.clone(), list.clone());
        let request = RemoveRequest { namespace, list_key, value: "a".into(), count };
        let said = t.call::<rpc::Remove>(request.clone()).await?.removed;
        same(format!("removed of Remove with count {count}"), &said, &removed)?;
        same(
            format!("the values after Remove of a, count {count}"),
            &drained(t, &list).await?,
            &left.as_bytes().to_vec(),
        )?;
        same("removed of Remove of a missing list", &t.call::<rpc::Remove>(request).await?.removed, &0)?;
    }
    Ok(())
}
