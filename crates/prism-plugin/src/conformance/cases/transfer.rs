//! Copies out of a backend: what Export returns, and where it goes on.

use bytes::Bytes;
use prism_proto::ErrorReason::ResumeInvalid;
use prism_proto::interfaces::list::ReserveRequest;
use prism_proto::interfaces::transfer::{ExportRequest, ExportResponse, KeyItem, ListPart, item};
use prism_proto::limits::MESSAGE_BYTES_MAX;
use prism_proto::rpc::{list, transfer as rpc};
use prost::Message as _;

use super::table;
use crate::conformance::calls::Client;
use crate::conformance::expect::{Verdict, failed, holds, same};
use crate::conformance::trial::Trial;
use crate::list::End;

table! {
    "transfer/export-returns-keys-with-ttls",
        "Export returns each key with a prefix, its value, and what it has left to live if it expires",
        [KeyValue, Transfer], export_returns_keys_with_ttls;
    "transfer/export-returns-lists",
        "Export returns each list with a prefix, behind the keys, in parts that count from 0, of which the last one says so",
        [List, Transfer], export_returns_lists;
    "transfer/large-lists-come-in-parts",
        "Export returns a list that is larger than a message in parts that are not",
        [List, Transfer], large_lists_come_in_parts;
    "transfer/export-says-when",
        "Export says of each item when it was read",
        [KeyValue, Transfer], export_says_when;
    "transfer/export-sees-its-namespace-only",
        "Export sees only the keys and lists of its namespace",
        [KeyValue, List, Transfer], export_sees_its_namespace_only;
    "transfer/reserved-values-are-left-out",
        "Export leaves the reserved values of a list out",
        [List, ListReserve, Transfer], reserved_values_are_left_out;
    "transfer/export-goes-on-at-its-tokens",
        "where resumable is declared, Export continued at its tokens returns every key and list",
        [KeyValue, List, Transfer, Resumable], export_goes_on_at_its_tokens;
    "transfer/other-tokens-are-refused",
        "where resumable is declared, Export refuses a token of another prefix, of a scan, and what is none, with INVALID_ARGUMENT / RESUME_INVALID",
        [KeyValue, Scan, Transfer, Resumable], other_tokens_are_refused;
}

/// A request for everything of a case.
pub(super) fn all(t: &Trial<'_>) -> ExportRequest {
    request(t, t.prefix())
}

fn request(client: &Client, prefix: &str) -> ExportRequest {
    let (namespace, prefix) = (client.namespace.clone(), prefix.to_owned());
    ExportRequest { namespace, prefix, ..ExportRequest::default() }
}

/// What an export has returned.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Exported {
    /// Without times to live.
    pub(super) keys: Vec<(String, Bytes)>,
    pub(super) ttls: Vec<Option<i64>>,
    pub(super) lists: Vec<(String, Vec<Bytes>)>,
}

impl Exported {
    /// Checks the order and the numbers of parts.
    pub(super) fn of(responses: Vec<ExportResponse>) -> Verdict<Self> {
        let mut exported = Self::default();
        let mut open: Option<i64> = None;
        for response in responses {
            match response.item.and_then(|item| item.kind) {
                None => return failed("Export: a message has no item"),
                Some(item::Kind::Key(KeyItem { key, value, ttl_millis_left })) => {
                    holds(open.is_none() && exported.lists.is_empty(), || {
                        "Export: a key comes behind a list".to_owned()
                    })?;
                    exported.keys.push((key, value));
                    exported.ttls.push(ttl_millis_left);
                }
                Some(item::Kind::ListPart(ListPart { list_key, values, part, last })) => {
                    same("part of a list from Export", &part, &open.unwrap_or(0))?;
                    match exported.lists.last_mut().filter(|_| open.is_some()) {
                        Some((name, before)) => {
                            same("list_key of a further part", &list_key, name)?;
                            before.extend(values);
                        }
                        None => exported.lists.push((list_key, values)),
                    }
                    open = (!last).then_some(part + 1);
                }
            }
        }
        holds(open.is_none(), || "Export: the last list has no last part".to_owned())?;
        exported.lists.sort_unstable();
        Ok(exported)
    }

    fn sorted(mut self) -> Self {
        self.keys.sort_unstable();
        self
    }
}

pub(super) async fn export(t: &Trial<'_>) -> Verdict<Exported> {
    Exported::of(t.stream::<rpc::Export>(all(t)).await?)
}

fn digits(count: usize) -> Vec<Bytes> {
    (0..count).map(|digit| Bytes::from(digit.to_string())).collect()
}

async fn push_all(client: &Client, list: &str, values: &[Bytes]) -> Verdict {
    for value in values {
        client.push(End::Right, list, value.clone()).await?;
    }
    Ok(())
}

async fn export_returns_keys_with_ttls(t: &Trial<'_>) -> Verdict {
    let (stays, expires, empty) = (t.key("stays"), t.key("expires"), t.key("empty"));
    t.set(&stays, "value").await?;
    t.set_for(&expires, "soon", 3600).await?;
    t.set(&empty, "").await?;
    t.set(&t.key("deleted"), "v").await?;
    t.delete(&t.key("deleted")).await?;
    let Exported { keys, ttls, lists } = export(t).await?;
    let mut found: Vec<_> = keys.into_iter().zip(ttls).collect();
    found.sort_unstable();
    let names: Vec<_> = found.iter().map(|(key, _)| key.clone()).collect();
    let expected = vec![(empty, "".into()), (expires, "soon".into()), (stays, "value".into())];
    same("keys and values from Export", &names, &expected)?;
    same("whether there are lists", &lists.is_empty(), &true)?;
    let left: Vec<_> = found.iter().map(|(_, left)| *left).collect();
    match left[..] {
        [None, Some(1..=3_600_000), None] => Ok(()),
        _ => {
            failed(format!("ttl_millis_left of three keys, of which the second expires in an hour: {left:?}"))
        }
    }
}

async fn export_returns_lists(t: &Trial<'_>) -> Verdict {
    let (short, long) = (t.list("a"), t.list("b"));
    push_all(t, &short, &digits(3)).await?;
    push_all(t, &long, &digits(300)).await?;
    let emptied = t.list("emptied");
    t.push(End::Right, &emptied, "v").await?;
    t.pop(End::Left, &emptied).await?;
    let expected = vec![(short.clone(), digits(3)), (long, digits(300))];
    same("lists from Export", &export(t).await?.lists, &expected)?;
    let one = Exported::of(t.stream::<rpc::Export>(request(t, &short)).await?)?;
    same("lists from Export of a list's whole name", &one.lists, &vec![(short, digits(3))])
}

async fn large_lists_come_in_parts(t: &Trial<'_>) -> Verdict {
    const SIZE: usize = 256 * 1024;
    let list = t.list("l");
    let values: Vec<_> = (0..18_u8).map(|n| Bytes::from(vec![n; SIZE])).collect();
    push_all(t, &list, &values).await?;
    let responses = t.stream::<rpc::Export>(all(t)).await?;
    let largest = responses.iter().map(ExportResponse::encoded_len).max().unwrap_or_default();
    holds(largest <= MESSAGE_BYTES_MAX, || format!("Export: a message has {largest} bytes"))?;
    let lists = Exported::of(responses)?.lists;
    let same_values = lists.len() == 1 && lists[0].1 == values;
    same("whether Export of 18 values of 256 KiB returns them", &same_values, &true)
}

async fn export_says_when(t: &Trial<'_>) -> Verdict {
    // Long before the contract was.
    const PAST: i64 = 1_700_000_000_000;
    t.set(&t.key("k"), "v").await?;
    let responses = t.stream::<rpc::Export>(all(t)).await?;
    let are_there = !responses.is_empty() && responses.iter().all(|item| item.taken_at_unix_millis > PAST);
    holds(are_there, || "Export: taken_at_unix_millis is not the time at which the item was read".to_owned())
}

async fn export_sees_its_namespace_only(t: &Trial<'_>) -> Verdict {
    let other = t.new_namespace().await?;
    let (key, list) = (t.key("k"), t.list("l"));
    t.set(&key, "here").await?;
    t.push(End::Right, &list, "here").await?;
    other.set(&t.key("other"), "v").await?;
    other.push(End::Right, &t.list("other"), "v").await?;
    let Exported { keys, lists, .. } = export(t).await?;
    same("keys from Export", &keys, &vec![(key, "here".into())])?;
    same("lists from Export", &lists, &vec![(list, vec!["here".into()])])
}

async fn reserved_values_are_left_out(t: &Trial<'_>) -> Verdict {
    let list = t.list("l");
    push_all(t, &list, &digits(3)).await?;
    let request = ReserveRequest {
        namespace: t.namespace.clone(),
        list_key: list.clone(),
        end: prism_proto::interfaces::list::End::Left.into(),
        count: 1,
        lease_millis: 60_000,
        ..ReserveRequest::default()
    };
    t.call::<list::Reserve>(request).await?;
    same("lists from Export", &export(t).await?.lists, &vec![(list, digits(3)[1..].to_vec())])
}

async fn export_goes_on_at_its_tokens(t: &Trial<'_>) -> Verdict {
    let mut expected = Exported::default();
    for n in 0..40 {
        let (key, list) = (t.key(&format!("k{n:02}")), t.list(&format!("l{n:02}")));
        t.set(&key, "v").await?;
        push_all(t, &list, &digits(n % 7 + 1)).await?;
        expected.keys.push((key, "v".into()));
        expected.lists.push((list, digits(n % 7 + 1)));
    }
    let (mut arrived, mut request) = (Vec::new(), all(t));
    let mut tokens = 0;
    loop {
        let items = t.stream::<rpc::Export>(request.clone()).await?;
        let Some(end) = items.iter().position(|item| !item.resume.is_empty()) else {
            arrived.extend(items);
            break;
        };
        request.resume = items[end].resume.clone();
        arrived.extend(items.into_iter().take(end + 1));
        tokens += 1;
        holds(tokens <= 80, || "Export, continued at its tokens, goes in circles".to_owned())?;
    }
    holds(tokens > 0, || "Export returned no resume token".to_owned())?;
    let mut arrived = Exported::of(arrived)?.sorted();
    // A backend without order may return some of them twice.
    arrived.keys.dedup();
    arrived.lists.dedup();
    same("keys from Export, continued at its tokens", &arrived.keys, &expected.keys)?;
    same("lists from Export, continued at its tokens", &arrived.lists, &expected.lists)
}

async fn other_tokens_are_refused(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    t.set(&key, "v").await?;
    let exported = t.stream::<rpc::Export>(all(t)).await?;
    let token = exported.into_iter().map(|item| item.resume).find(|token| !token.is_empty());
    let Some(token) = token else { return failed("Export returned no resume token") };
    let scanned = t.stream::<prism_proto::rpc::keyvalue::Scan>(t.all()).await?;
    let of_scan = scanned.into_iter().map(|item| item.resume).find(|token| !token.is_empty());
    for (what, prefix, resume) in [
        ("no token", t.prefix(), Bytes::from_static(b"no token")),
        ("a token of another prefix", &key, token),
        ("a token of Scan", t.prefix(), of_scan.unwrap_or_else(|| "no token".into())),
    ] {
        let answer = t.try_stream::<rpc::Export>(ExportRequest { resume, ..request(t, prefix) }).await;
        t.refused(&format!("Export with {what}"), answer, &[ResumeInvalid])?;
    }
    Ok(())
}
