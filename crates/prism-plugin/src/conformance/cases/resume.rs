//! Resume tokens.

use bytes::Bytes;
use prism_proto::ErrorReason::ResumeInvalid;
use prism_proto::interfaces::keyvalue::ScanRequest;
use prism_proto::limits::RESUME_BYTES_MAX;

use super::table;
use crate::conformance::calls::Which;
use crate::conformance::expect::{Verdict, answered, failed, holds, same};
use crate::conformance::trial::Trial;

table! {
    "scan/resume-leaves-no-gap",
        "where resumable is declared, a scan that is continued at each of its tokens in turn returns every key",
        [KeyValue, Scan, Resumable], resume_leaves_no_gap;
    "scan/resume-repeats-nothing-in-order",
        "where resumable and ordered are declared, a scan that is continued at a token returns no key again",
        [KeyValue, Scan, Ordered, Resumable], resume_repeats_nothing_in_order;
    "scan/resume-is-checked",
        "where resumable is declared, what is no token, or one of another prefix or method, gets INVALID_ARGUMENT / RESUME_INVALID",
        [KeyValue, Scan, Resumable], resume_is_checked;
    "scan/resume-belongs-to-a-namespace",
        "where resumable is declared, a token of another namespace gets INVALID_ARGUMENT / RESUME_INVALID",
        [KeyValue, Scan, Resumable], resume_belongs_to_a_namespace;
    "scan/resume-is-bounded",
        "where resumable is declared, a token of 8,193 bytes gets INVALID_ARGUMENT / RESUME_INVALID",
        [Scan, Resumable], resume_is_bounded;
    "scan/resume-excludes-start-after",
        "where resumable is declared, resume together with start_after gets INVALID_ARGUMENT / RESUME_INVALID",
        [KeyValue, Scan, Resumable], resume_excludes_start_after;
}

/// How often a key may arrive before a walk counts as going in circles.
const REPEATS_MAX: usize = 8;

/// Keys of a walk, unless the big scan has fewer: more than most backends read at a time.
const WALK_KEYS: usize = 600;

/// Sets the keys of a walk, in byte order.
async fn many_keys(t: &Trial<'_>) -> Verdict<Vec<String>> {
    let keys: Vec<_> =
        (0..t.target.options.scan_keys.min(WALK_KEYS)).map(|n| t.key(&format!("k{n:06}"))).collect();
    t.set_all(&keys, &Bytes::from_static(b"v")).await?;
    Ok(keys)
}

/// Scans up to each token, and continues with that token; returns the keys as they arrived. On a connection of its own,
/// because each scan is left early, which a server may not take from one connection without limit.
async fn walk(t: &Trial<'_>, which: Which, keys: usize) -> Verdict<Vec<String>> {
    let client = t.connected_anew(None)?;
    let (mut arrived, mut request) = (Vec::new(), t.all());
    loop {
        let page = client.try_scan_page(which, request.clone()).await;
        let (page, token) = answered(format!("{which}, continued after {} keys", arrived.len()), page)?;
        arrived.extend(page);
        if token.is_empty() {
            return Ok(arrived);
        }
        if arrived.len() > keys.saturating_mul(REPEATS_MAX) {
            return failed(format!(
                "{which}, continued at its tokens, goes in circles: {keys} keys do not end"
            ));
        }
        request.resume = token;
    }
}

/// A token of a scan of all keys of this case.
async fn token(t: &Trial<'_>, which: Which) -> Verdict<Bytes> {
    let page = t.try_scan_page(which, t.all()).await;
    let (_, token) = answered(format!("{which} that is resumable"), page)?;
    holds(!token.is_empty(), || format!("{which} returned no resume token"))?;
    Ok(token)
}

async fn resume_leaves_no_gap(t: &Trial<'_>) -> Verdict {
    let keys = many_keys(t).await?;
    for which in Which::BOTH {
        token(t, which).await?;
        let mut arrived = walk(t, which, keys.len()).await?;
        arrived.sort_unstable();
        let missing = keys.iter().filter(|key| arrived.binary_search(key).is_err()).count();
        let total = keys.len();
        same(format!("keys that {which} of {total} misses when continued at its tokens"), &missing, &0)?;
    }
    Ok(())
}

async fn resume_repeats_nothing_in_order(t: &Trial<'_>) -> Verdict {
    let keys = many_keys(t).await?;
    for which in Which::BOTH {
        let arrived = walk(t, which, keys.len()).await?;
        let repeated = arrived.windows(2).filter(|pair| pair[0] >= pair[1]).count();
        let total = keys.len();
        same(format!("keys that {which} of {total} repeats when continued at its tokens"), &repeated, &0)?;
    }
    Ok(())
}

async fn resume_is_checked(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    t.set(&key, "v").await?;
    for which in Which::BOTH {
        let token = token(t, which).await?;
        for garbage in [&b"\0"[..], b"no token", &[0xFF; RESUME_BYTES_MAX]] {
            let request = ScanRequest { resume: garbage.into(), ..t.all() };
            let what = format!("{which} with {} bytes that are no token", garbage.len());
            t.refused(&what, t.try_scan(which, request).await, &[ResumeInvalid])?;
        }
        let request = ScanRequest { resume: token.clone(), ..t.range(&key) };
        let what = format!("{which} with a token of another prefix");
        t.refused(&what, t.try_scan(which, request).await, &[ResumeInvalid])?;
        let other = if which == Which::Scan { Which::ScanKeys } else { Which::Scan };
        let request = ScanRequest { resume: token, ..t.all() };
        let what = format!("{other} with a token of {which}");
        t.refused(&what, t.try_scan(other, request).await, &[ResumeInvalid])?;
    }
    Ok(())
}

async fn resume_belongs_to_a_namespace(t: &Trial<'_>) -> Verdict {
    let other = t.new_namespace().await?;
    t.set(&t.key("k"), "v").await?;
    for which in Which::BOTH {
        let request = ScanRequest { resume: token(t, which).await?, ..other.range(t.prefix()) };
        let what = format!("{which} with a token of another namespace");
        t.refused(&what, other.try_scan(which, request).await, &[ResumeInvalid])?;
    }
    Ok(())
}

async fn resume_is_bounded(t: &Trial<'_>) -> Verdict {
    for which in Which::BOTH {
        let request = ScanRequest { resume: vec![1; RESUME_BYTES_MAX + 1].into(), ..t.all() };
        let what = format!("{which} with a token of 8,193 bytes");
        t.refused(&what, t.try_scan(which, request).await, &[ResumeInvalid])?;
    }
    Ok(())
}

async fn resume_excludes_start_after(t: &Trial<'_>) -> Verdict {
    let key = t.key("k");
    t.set(&key, "v").await?;
    for which in Which::BOTH {
        let resume = token(t, which).await?;
        let request = ScanRequest { resume, start_after: Some(key.clone()), ..t.all() };
        let what = format!("{which} with resume and start_after");
        t.refused(&what, t.try_scan(which, request).await, &[ResumeInvalid])?;
    }
    Ok(())
}
