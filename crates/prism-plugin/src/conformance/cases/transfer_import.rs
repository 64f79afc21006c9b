//! Copies into a backend: what Import stores, acknowledges and refuses.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use prism_proto::ErrorReason::{KeyInvalid, MalformedRequest, TtlInvalid, ValueTooLarge};
use prism_proto::interfaces::transfer::{
    IfExists, ImportRequest, ImportResponse, Item, KeyItem, ListPart, import_request::Options, item,
};
use prism_proto::limits::VALUE_BYTES_MAX;
use prism_proto::rpc::transfer as rpc;
use tonic::Status;

use super::table;
use super::transfer::{Exported, export};
use crate::conformance::expect::{Verdict, answered, failed, same};
use crate::conformance::trial::Trial;
use crate::list::End;

table! {
    "transfer/import-stores-keys",
        "Import stores keys and values, and the last one of several with the same key",
        [KeyValue, Transfer], import_stores_keys;
    "transfer/import-restores-ttls",
        "Import lets a key live for ttl_millis_left, and for ever without",
        [KeyValue, Transfer], import_restores_ttls;
    "transfer/import-replaces-lists",
        "Import gives a list its values and no others",
        [List, Transfer], import_replaces_lists;
    "transfer/import-acknowledges-all",
        "Import acknowledges all items before it ends",
        [KeyValue, Transfer], import_acknowledges_all;
    "transfer/if-absent-keeps-what-is-there",
        "Import with IF_ABSENT leaves existing keys and lists as they are, counts them as skipped, and creates others",
        [KeyValue, List, Transfer], if_absent_keeps_what_is_there;
    "transfer/deadline-takes-time-off",
        "Import with deadline takes the time since taken_at_unix_millis off times to live, and skips what has expired",
        [KeyValue, Transfer], deadline_takes_time_off;
    "transfer/lists-appear-with-their-last-part",
        "Import stores a list in parts with its last part; one without is refused with INVALID_ARGUMENT / MALFORMED_REQUEST and changes nothing",
        [List, Transfer], lists_appear_with_their_last_part;
    "transfer/lists-may-begin-again",
        "a part 0 begins a list again that lacks its last part",
        [List, Transfer], lists_may_begin_again;
    "transfer/what-comes-before-a-mistake-is-stored",
        "Import stores and acknowledges what comes before an item that it refuses",
        [KeyValue, Transfer], what_comes_before_a_mistake_is_stored;
    "transfer/import-is-checked",
        "Import refuses namespace and options after the first message, missing items, parts out of order and invalid fields with INVALID_ARGUMENT",
        [KeyValue, Transfer], import_is_checked;
}

fn key(key: &str, value: impl Into<Bytes>, ttl_millis_left: Option<i64>) -> ImportRequest {
    item(item::Kind::Key(KeyItem { key: key.to_owned(), value: value.into(), ttl_millis_left }))
}

fn part(list_key: &str, values: &[&'static str], part: i64, last: bool) -> ImportRequest {
    let values = values.iter().map(|value| Bytes::from_static(value.as_bytes())).collect();
    item(item::Kind::ListPart(ListPart { list_key: list_key.to_owned(), values, part, last }))
}

fn item(kind: item::Kind) -> ImportRequest {
    ImportRequest { item: Some(Item { kind: Some(kind) }), ..ImportRequest::default() }
}

/// Imports items, and returns the last acknowledgement and how it ended.
async fn try_import(
    t: &Trial<'_>,
    options: Options,
    items: Vec<ImportRequest>,
) -> (ImportResponse, Result<(), Status>) {
    let (namespace, options) = (t.namespace.clone(), Some(options));
    let first = ImportRequest { namespace, options, ..ImportRequest::default() };
    let messages = [first].into_iter().chain(items).collect();
    let (answers, end) = t.exchange::<rpc::Import>(messages).await;
    (answers.last().copied().unwrap_or_default(), end)
}

async fn import(t: &Trial<'_>, options: Options, items: Vec<ImportRequest>) -> Verdict<ImportResponse> {
    let (answer, end) = try_import(t, options, items).await;
    answered("Import", end)?;
    Ok(answer)
}

async fn import_stores_keys(t: &Trial<'_>) -> Verdict {
    let (a, b) = (t.key("a"), t.key("b"));
    t.set(&b, "before").await?;
    let items = vec![key(&a, "first", None), key(&b, "", None), key(&a, "second", None)];
    import(t, Options::default(), items).await?;
    same("Get of a key that was imported twice", &t.get(&a).await?, &Some("second".into()))?;
    same("Get of a key that was replaced by an empty value", &t.get(&b).await?, &Some("".into()))
}

async fn import_restores_ttls(t: &Trial<'_>) -> Verdict {
    let (soon, late, never) = (t.key("soon"), t.key("late"), t.key("never"));
    t.set_for(&never, "before", 3600).await?;
    let items = vec![key(&soon, "v", Some(1)), key(&late, "v", Some(3_600_000)), key(&never, "v", None)];
    import(t, Options::default(), items).await?;
    t.expired(Instant::now(), 0).await;
    same("Get of a key that was imported with a millisecond", &t.get(&soon).await?, &None)?;
    let Exported { keys, ttls, .. } = export(t).await?;
    let left = |key: &str| {
        let at = keys.iter().position(|(name, _)| name == key)?;
        Some(ttls[at])
    };
    match (left(&late), left(&never)) {
        (Some(Some(3_000_000..=3_600_000)), Some(None)) => Ok(()),
        other => {
            failed(format!("ttl_millis_left of keys that were imported with an hour and without: {other:?}"))
        }
    }
}

async fn import_replaces_lists(t: &Trial<'_>) -> Verdict {
    let (new, old) = (t.list("new"), t.list("old"));
    for value in ["x", "y", "z"] {
        t.push(End::Right, &old, value).await?;
    }
    let items = vec![part(&new, &["a", "b"], 0, true), part(&old, &["c", "", "d"], 0, true)];
    import(t, Options::default(), items).await?;
    let lists = export(t).await?.lists;
    same("lists after Import", &lists, &vec![(new, values(&["a", "b"])), (old, values(&["c", "", "d"]))])
}

fn values(values: &[&'static str]) -> Vec<Bytes> {
    values.iter().map(|value| Bytes::from_static(value.as_bytes())).collect()
}

async fn import_acknowledges_all(t: &Trial<'_>) -> Verdict {
    let items = (0..600).map(|n| key(&t.key(&format!("k{n}")), "v", None)).collect();
    let answer = import(t, Options::default(), items).await?;
    same("items acknowledged of 600", &answer, &ImportResponse { items: 600, skipped: 0 })
}

async fn if_absent_keeps_what_is_there(t: &Trial<'_>) -> Verdict {
    let (there, new) = (t.key("there"), t.key("new"));
    let (list, new_list) = (t.list("there"), t.list("new"));
    t.set(&there, "before").await?;
    t.push(End::Right, &list, "before").await?;
    let items = vec![
        key(&there, "after", None),
        key(&new, "after", None),
        part(&list, &["after"], 0, false),
        part(&list, &["after"], 1, true),
        part(&new_list, &["after"], 0, true),
    ];
    let options = Options { if_exists: IfExists::IfAbsent.into(), ..Options::default() };
    let answer = import(t, options, items).await?;
    same("the last acknowledgement", &answer, &ImportResponse { items: 5, skipped: 3 })?;
    same("Get of the key that was there", &t.get(&there).await?, &Some("before".into()))?;
    same("Get of the other key", &t.get(&new).await?, &Some("after".into()))?;
    let lists = export(t).await?.lists;
    same("lists after Import", &lists, &vec![(new_list, values(&["after"])), (list, values(&["before"]))])
}

async fn deadline_takes_time_off(t: &Trial<'_>) -> Verdict {
    const HOUR: i64 = 3_600_000;
    let (expired, left) = (t.key("expired"), t.key("left"));
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let taken_at_unix_millis = i64::try_from(since.as_millis()).unwrap_or_default() - HOUR;
    let then = |request| ImportRequest { taken_at_unix_millis, ..request };
    let items = vec![then(key(&expired, "v", Some(HOUR / 2))), then(key(&left, "v", Some(2 * HOUR)))];
    let answer = import(t, Options { deadline: true, ..Options::default() }, items).await?;
    same("the last acknowledgement", &answer, &ImportResponse { items: 2, skipped: 1 })?;
    let Exported { keys, ttls, .. } = export(t).await?;
    same("keys after Import", &keys, &vec![(left, "v".into())])?;
    match ttls[..] {
        // The clocks of the suite and the backend may differ.
        [Some(ttl)] if (HOUR / 2..HOUR * 3 / 2).contains(&ttl) => Ok(()),
        _ => failed(format!("ttl_millis_left of a key with two hours that was read an hour ago: {ttls:?}")),
    }
}

async fn lists_appear_with_their_last_part(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    t.push(End::Right, &list, "before").await?;
    let parts = |last| vec![part(&list, &["a"], 0, false), part(&list, &["b", "c"], 1, last)];
    let (answer, end) = try_import(t, Options::default(), parts(false)).await;
    t.refused("Import of a list without its last part", end, &[MalformedRequest])?;
    same("items acknowledged of a list without its last part", &answer.items, &0)?;
    let lists = export(t).await?.lists;
    same("lists after it", &lists, &vec![(list.clone(), values(&["before"]))])?;
    let answer = import(t, Options::default(), parts(true)).await?;
    same("items acknowledged of two parts", &answer.items, &2)?;
    same("lists after its last part", &export(t).await?.lists, &vec![(list, values(&["a", "b", "c"]))])
}

async fn lists_may_begin_again(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    let items = vec![
        part(&list, &["a"], 0, false),
        part(&list, &["b"], 1, false),
        part(&list, &["c"], 0, false),
        part(&list, &["d"], 1, true),
    ];
    let answer = import(t, Options::default(), items).await?;
    same("items acknowledged of four parts", &answer.items, &4)?;
    same("lists after Import", &export(t).await?.lists, &vec![(list, values(&["c", "d"]))])
}

async fn what_comes_before_a_mistake_is_stored(t: &Trial<'_>) -> Verdict {
    let (good, behind) = (t.key("good"), t.key("behind"));
    let items = vec![key(&good, "v", None), key("", "v", None), key(&behind, "v", None)];
    let (answer, end) = try_import(t, Options::default(), items).await;
    t.refused("Import of an empty key", end, &[KeyInvalid])?;
    same("items acknowledged before it", &answer.items, &1)?;
    same("Get of the key before it", &t.get(&good).await?, &Some("v".into()))
}

async fn import_is_checked(t: &Trial<'_>) -> Verdict {
    let good = t.key("good");
    let mut none = key(&good, "v", None);
    none.item = None;
    let mut kindless = none.clone();
    kindless.item = Some(Item { kind: None });
    let named = ImportRequest { namespace: t.namespace.clone(), ..key(&good, "v", None) };
    let optional = ImportRequest { options: Some(Options::default()), ..key(&good, "v", None) };
    let large = vec![0; VALUE_BYTES_MAX + 1];
    let list = t.list("l");
    for (what, message, reason) in [
        ("a namespace in a later message", named, MalformedRequest),
        ("options in a later message", optional, MalformedRequest),
        ("no item in a later message", none, MalformedRequest),
        ("an item of no kind", kindless, MalformedRequest),
        ("a part 1 without part 0", part(&list, &["v"], 1, true), MalformedRequest),
        ("a negative part", part(&list, &["v"], -1, true), MalformedRequest),
        ("an empty list key", part("", &["v"], 0, true), KeyInvalid),
        ("ttl_millis_left 0", key(&good, "v", Some(0)), TtlInvalid),
        ("a value that is too large", key(&good, large, None), ValueTooLarge),
    ] {
        let (_, end) = try_import(t, Options::default(), vec![message]).await;
        t.refused(&format!("Import with {what}"), end, &[reason])?;
    }
    let out_of_order = vec![part(&list, &["v"], 0, false), part(&list, &["v"], 2, true)];
    let (_, end) = try_import(t, Options::default(), out_of_order).await;
    t.refused("Import with parts 0 and 2", end, &[MalformedRequest])?;
    let deadline = Options { deadline: true, ..Options::default() };
    let (_, end) = try_import(t, deadline, vec![key(&good, "v", Some(1000))]).await;
    t.refused("Import with deadline without taken_at_unix_millis", end, &[MalformedRequest])?;
    let unknown = Options { if_exists: 7, ..Options::default() };
    let (_, end) = try_import(t, unknown, vec![key(&good, "v", None)]).await;
    t.refused("Import with if_exists 7", end, &[MalformedRequest])
}
