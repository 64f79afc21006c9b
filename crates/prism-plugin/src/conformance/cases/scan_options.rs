//! What a scan may be asked besides: backwards, up to a key, with times to live, in small pages; and DeletePrefix.

use bytes::Bytes;
use prism_proto::ErrorReason::{KeyInvalid, LimitInvalid, OrderUnsupported, ResumeInvalid};
use prism_proto::interfaces::keyvalue::{DeletePrefixRequest, ScanKeysRequest, ScanRequest};
use prism_proto::rpc::keyvalue as rpc;
use tonic::Code;

use super::table;
use crate::conformance::calls::Which;
use crate::conformance::expect::{Stop, Verdict, answered, holds, same};
use crate::conformance::trial::Trial;

table! {
    "scan/reverse-is-backwards",
        "where ordered is declared, a scan with reverse returns the same keys from the greatest to the least",
        [KeyValue, Scan, Ordered], reverse_is_backwards;
    "scan/before-ends-the-scan",
        "where ordered is declared, a scan with before returns lesser keys only, also together with start_after",
        [KeyValue, Scan, Ordered], before_ends_the_scan;
    "scan/before-is-a-key",
        "before of 0 or 4,097 bytes gets INVALID_ARGUMENT / KEY_INVALID",
        [Scan, Ordered], before_is_a_key;
    "scan/reverse-and-before-need-order",
        "where ordered is not declared, reverse and before get UNIMPLEMENTED / ORDER_UNSUPPORTED",
        [Scan, Unordered], reverse_and_before_need_order;
    "scan/resume-keeps-direction-and-end",
        "where ordered and resumable are declared, a token continues a scan with reverse and before, and is refused in the other direction",
        [KeyValue, Scan, Ordered, Resumable], resume_keeps_direction_and_end;
    "scan/resume-excludes-before",
        "where ordered and resumable are declared, resume together with before gets INVALID_ARGUMENT / RESUME_INVALID",
        [KeyValue, Scan, Ordered, Resumable], resume_excludes_before;
    "scan/returns-ttls-if-asked",
        "Scan and ScanKeys with with_ttl return what each key has left to live, and nothing for keys that do not expire",
        [KeyValue, Scan, Ttl], returns_ttls_if_asked;
    "scan/page-bytes-bounds-a-page",
        "where resumable is declared, a page ends with the key that reaches page_bytes; negative gets INVALID_ARGUMENT / LIMIT_INVALID",
        [KeyValue, Scan, Ttl, Resumable], page_bytes_bounds_a_page;
    "scan/delete-prefix-removes",
        "DeletePrefix removes the keys with the prefix and no others, and says how many",
        [KeyValue, Scan], delete_prefix_removes;
    "scan/delete-prefix-has-a-limit",
        "DeletePrefix removes at most as many keys as its limit; negative gets INVALID_ARGUMENT / LIMIT_INVALID",
        [KeyValue, Scan], delete_prefix_has_a_limit;
}

/// Sets the keys `0` to `9` of a case.
async fn ten_keys(t: &Trial<'_>) -> Verdict<Vec<String>> {
    let keys: Vec<_> = (0..10).map(|n| t.key(&n.to_string())).collect();
    t.set_all(&keys, &Bytes::from_static(b"v")).await?;
    Ok(keys)
}

async fn reverse_is_backwards(t: &Trial<'_>) -> Verdict {
    let mut keys = ten_keys(t).await?;
    keys.reverse();
    for which in Which::BOTH {
        let request = ScanRequest { reverse: true, ..t.all() };
        same(format!("keys from {which} with reverse"), &t.scan(which, request).await?, &keys)?;
        let request = ScanRequest { reverse: true, limit: 3, ..t.all() };
        same(
            format!("keys from {which} with reverse and limit 3"),
            &t.scan(which, request).await?,
            &keys[..3].to_vec(),
        )?;
    }
    Ok(())
}

async fn before_ends_the_scan(t: &Trial<'_>) -> Verdict {
    let keys = ten_keys(t).await?;
    let between = |start_after: Option<usize>, before: usize| ScanRequest {
        start_after: start_after.map(|at| keys[at].clone()),
        before: Some(keys[before].clone()),
        ..t.all()
    };
    for which in Which::BOTH {
        for (start_after, before, expected) in
            [(None, 3, &keys[..3]), (Some(2), 5, &keys[3..5]), (Some(5), 2, &[]), (None, 0, &[])]
        {
            let scanned = t.scan(which, between(start_after, before)).await?;
            let what = format!("keys from {which} of 0 to 9 after {start_after:?}, before {before}");
            same(what, &scanned, &expected.to_vec())?;
        }
    }
    Ok(())
}

async fn before_is_a_key(t: &Trial<'_>) -> Verdict {
    for which in Which::BOTH {
        for size in [0, 4097] {
            let request = ScanRequest { before: Some("k".repeat(size)), ..t.all() };
            let what = format!("{which} with before of {size} bytes");
            t.refused(&what, t.try_scan(which, request).await, &[KeyInvalid])?;
        }
    }
    Ok(())
}

async fn reverse_and_before_need_order(t: &Trial<'_>) -> Verdict {
    for which in Which::BOTH {
        let reverse = ScanRequest { reverse: true, ..t.all() };
        t.refused(&format!("{which} with reverse"), t.try_scan(which, reverse).await, &[OrderUnsupported])?;
        let before = ScanRequest { before: Some("k".to_owned()), ..t.all() };
        t.refused(&format!("{which} with before"), t.try_scan(which, before).await, &[OrderUnsupported])?;
    }
    Ok(())
}

async fn resume_keeps_direction_and_end(t: &Trial<'_>) -> Verdict {
    let keys = ten_keys(t).await?;
    let client = t.connected_anew(None)?;
    let upwards = ScanRequest { before: Some(keys[8].clone()), page_bytes: 1, ..t.all() };
    let downwards =
        ScanRequest { reverse: true, start_after: Some(keys[1].clone()), page_bytes: 1, ..t.all() };
    let backwards: Vec<_> = keys[2..].iter().rev().cloned().collect();
    for which in Which::BOTH {
        for (first, expected) in [(&upwards, &keys[..8]), (&downwards, &backwards[..])] {
            let (mut arrived, mut request) = (Vec::new(), first.clone());
            loop {
                let page = client.try_scan_page(which, request.clone()).await;
                let (page, token) = answered(format!("{which} with page_bytes 1"), page)?;
                arrived.extend(page);
                if token.is_empty() || arrived.len() > keys.len() {
                    break;
                }
                request = ScanRequest { resume: token, reverse: first.reverse, ..t.all() };
            }
            let what = format!("keys from {which}, reverse {}, continued at its tokens", first.reverse);
            same(what, &arrived, &expected.to_vec())?;
            let (_, token) = answered("a page", client.try_scan_page(which, first.clone()).await)?;
            let turned = ScanRequest { resume: token, reverse: !first.reverse, ..t.all() };
            let what = format!("{which} with a token of the other direction");
            t.refused(&what, t.try_scan(which, turned).await, &[ResumeInvalid])?;
        }
    }
    Ok(())
}

async fn resume_excludes_before(t: &Trial<'_>) -> Verdict {
    ten_keys(t).await?;
    for which in Which::BOTH {
        let (_, token) = answered("a page", t.try_scan_page(which, t.all()).await)?;
        let request = ScanRequest { resume: token, before: Some(t.key("5")), ..t.all() };
        t.refused(
            &format!("{which} with resume and before"),
            t.try_scan(which, request).await,
            &[ResumeInvalid],
        )?;
    }
    Ok(())
}

async fn returns_ttls_if_asked(t: &Trial<'_>) -> Verdict {
    t.set_for(&t.key("expiring"), "v", 3600).await?;
    t.set(&t.key("lasting"), "v").await?;
    for with_ttl in [true, false] {
        let scan = ScanRequest { with_ttl, ..t.all() };
        let keys = ScanKeysRequest {
            namespace: t.namespace.clone(),
            prefix: t.prefix().to_owned(),
            with_ttl,
            ..ScanKeysRequest::default()
        };
        let values = t.stream::<rpc::Scan>(scan).await?;
        let values = values.into_iter().map(|item| (item.key, item.ttl_millis_left));
        let keys = t.stream::<rpc::ScanKeys>(keys).await?;
        let keys = keys.into_iter().map(|item| (item.key, item.ttl_millis_left));
        for items in [values.collect::<Vec<_>>(), keys.collect()] {
            let is_right = items.len() == 2
                && items.iter().all(|(key, left)| match left {
                    Some(left) => {
                        with_ttl && key.ends_with("expiring") && *left <= 3_600_000 && *left > 3_500_000
                    }
                    None => !with_ttl || key.ends_with("lasting"),
                });
            let left: Vec<_> = items.iter().map(|(_, left)| left).collect();
            holds(is_right, || {
                format!("a scan of a key of 3,600 s and a lasting one, with_ttl {with_ttl}: {left:?}")
            })?;
        }
    }
    Ok(())
}

async fn page_bytes_bounds_a_page(t: &Trial<'_>) -> Verdict {
    ten_keys(t).await?;
    let client = t.connected_anew(None)?;
    for which in Which::BOTH {
        let request = ScanRequest { page_bytes: 1, ..t.all() };
        let (page, _) =
            answered(format!("{which} with page_bytes 1"), client.try_scan_page(which, request).await)?;
        same(format!("keys on a page of {which} with page_bytes 1"), &page.len(), &1)?;
        let request = ScanRequest { page_bytes: -1, ..t.all() };
        t.refused(&format!("{which} with page_bytes -1"), t.try_scan(which, request).await, &[LimitInvalid])?;
    }
    Ok(())
}

/// The progress of a DeletePrefix, which a plugin may leave out.
async fn deleted(t: &Trial<'_>, prefix: String, limit: i32) -> Verdict<Vec<i64>> {
    let progress = t.try_stream::<rpc::DeletePrefix>(delete_prefix(t, prefix, limit)).await;
    if progress.as_ref().is_err_and(|status| status.code() == Code::Unimplemented) {
        return Err(Stop::NotApplicable("DeletePrefix is not served".to_owned()));
    }
    Ok(answered("DeletePrefix", progress)?.into_iter().map(|response| response.deleted).collect())
}

fn delete_prefix(t: &Trial<'_>, prefix: String, limit: i32) -> DeletePrefixRequest {
    DeletePrefixRequest { namespace: t.namespace.clone(), prefix, limit, resume: Bytes::new() }
}

async fn delete_prefix_removes(t: &Trial<'_>) -> Verdict {
    let keys = ten_keys(t).await?;
    let others: Vec<_> = (0..40).map(|n| t.key(&format!("of/{n:02}"))).collect();
    t.set_all(&others, &Bytes::from_static(b"v")).await?;
    let progress = deleted(t, format!("{}of/", t.prefix()), 0).await?;
    same("deleted of DeletePrefix of 40 keys", &progress.last(), &Some(&40))?;
    holds(progress.is_sorted(), || "deleted of DeletePrefix goes backwards".to_owned())?;
    let mut left = t.scan(Which::ScanKeys, t.all()).await?;
    left.sort_unstable();
    same("keys after DeletePrefix", &left, &keys)
}

async fn delete_prefix_has_a_limit(t: &Trial<'_>) -> Verdict {
    ten_keys(t).await?;
    let progress = deleted(t, t.prefix().to_owned(), 4).await?;
    same("deleted of DeletePrefix with limit 4", &progress.last(), &Some(&4))?;
    same("keys that are left of 10", &t.scan(Which::ScanKeys, t.all()).await?.len(), &6)?;
    let answer = t.try_stream::<rpc::DeletePrefix>(delete_prefix(t, t.prefix().to_owned(), -1)).await;
    t.refused("DeletePrefix with limit -1", answer, &[LimitInvalid])
}
