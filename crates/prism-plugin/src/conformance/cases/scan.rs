//! Scan, ScanKeys and Count: which keys, how many, in what order.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::future::try_join;
use prism_proto::ErrorReason::{KeyInvalid, LimitInvalid};
use prism_proto::interfaces::keyvalue::ScanRequest;
use prism_proto::limits::KEY_BYTES_MAX;

use super::table;
use crate::conformance::calls::Which;
use crate::conformance::expect::{Verdict, answered, failed, holds, same};
use crate::conformance::trial::Trial;

table! {
    "scan/returns-keys-with-their-values",
        "Scan returns each key with a prefix once, with its value",
        [KeyValue, Scan], returns_keys_with_their_values;
    "scan/keys-are-those-of-scan",
        "ScanKeys returns the keys that Scan returns, including those of empty values",
        [KeyValue, Scan], keys_are_those_of_scan;
    "scan/prefix-is-matched-byte-by-byte",
        "a prefix is literal: no pattern, no case folding, and it matches only at the start of the key",
        [KeyValue, Scan], prefix_is_matched_byte_by_byte;
    "scan/empty-prefix-matches-all",
        "the empty prefix matches every key of the namespace",
        [KeyValue, Scan], empty_prefix_matches_all;
    "scan/longest-prefix-is-accepted",
        "a prefix of 4,096 bytes is accepted, and a key of that name matches it",
        [KeyValue, Scan], longest_prefix_is_accepted;
    "scan/too-long-prefix-is-refused",
        "a prefix of 4,097 bytes gets INVALID_ARGUMENT / KEY_INVALID from every method",
        [Scan], too_long_prefix_is_refused;
    "scan/limit-bounds-the-answer",
        "limit n returns n keys if there are more, and all if there are fewer; limit 0 returns all",
        [KeyValue, Scan], limit_bounds_the_answer;
    "scan/negative-limit-is-refused",
        "a negative limit gets INVALID_ARGUMENT / LIMIT_INVALID",
        [Scan], negative_limit_is_refused;
    "scan/many-keys-arrive-whole",
        "a scan of many keys returns all of them",
        [KeyValue, Scan], many_keys_arrive_whole;
    "scan/count-is-exact",
        "where exact_count is declared, Count is the number of keys with the prefix",
        [KeyValue, Scan, ExactCount], count_is_exact;
    "scan/keys-are-in-byte-order",
        "where ordered is declared, keys come in ascending byte order",
        [KeyValue, Scan, Ordered], keys_are_in_byte_order;
    "scan/stable-keys-appear-exactly-once",
        "where scan_exactly_once is declared, a key that exists throughout a scan appears in it once, even while it is overwritten and others come and go",
        [KeyValue, Scan, ExactlyOnce], stable_keys_appear_exactly_once;
}

fn sorted(mut keys: Vec<String>) -> Vec<String> {
    keys.sort_unstable();
    keys
}

async fn returns_keys_with_their_values(t: &Trial<'_>) -> Verdict {
    let pairs: Vec<_> =
        (0..5).map(|n| (t.key(&format!("k{n}")), Bytes::from(format!("value {n}")))).collect();
    for (key, value) in &pairs {
        t.set(key, value.clone()).await?;
    }
    let mut scanned = answered("Scan", t.try_scan(Which::Scan, t.all()).await)?;
    scanned.sort_unstable();
    same("Scan of five keys", &scanned, &pairs)
}

async fn keys_are_those_of_scan(t: &Trial<'_>) -> Verdict {
    let keys: Vec<_> = (0..3).map(|n| t.key(&format!("k{n}"))).collect();
    for (key, value) in keys.iter().zip(["v", "", "v"]) {
        t.set(key, value).await?;
    }
    let scanned = sorted(t.scan(Which::ScanKeys, t.all()).await?);
    same("ScanKeys of three keys, one with an empty value", &scanned, &keys)
}

async fn prefix_is_matched_byte_by_byte(t: &Trial<'_>) -> Verdict {
    const NAMES: [&str; 12] =
        ["p", "p*", "p*x", "p?", "p[x]", "p%", "p_", "px", "P*x", "xp*x", "é", "e\u{301}"];
    for name in NAMES {
        t.set(&t.key(name), "v").await?;
    }
    for prefix in ["p", "p*", "p?", "p[", "p%", "p_", "P", "é", "e", "px", "none"] {
        let matching = NAMES.iter().filter(|name| name.starts_with(prefix));
        let expected = sorted(matching.map(|name| t.key(name)).collect());
        for which in Which::BOTH {
            let scanned = sorted(t.scan(which, t.range(&t.key(prefix))).await?);
            same(format!("{which} with prefix …{prefix:?}"), &scanned, &expected)?;
        }
    }
    Ok(())
}

async fn empty_prefix_matches_all(t: &Trial<'_>) -> Verdict {
    let other = t.new_namespace().await?;
    let keys = vec![t.key("a"), t.key("b")];
    for key in &keys {
        other.set(key, "v").await?;
    }
    for which in Which::BOTH {
        let scanned = sorted(other.scan(which, other.range("")).await?);
        same(format!("{which} with an empty prefix in a new namespace"), &scanned, &keys)?;
    }
    Ok(())
}

async fn longest_prefix_is_accepted(t: &Trial<'_>) -> Verdict {
    let key = t.key_of_len(KEY_BYTES_MAX);
    t.set(&key, "v").await?;
    for which in Which::BOTH {
        let scanned = t.scan(which, t.range(&key)).await?;
        same(format!("{which} with a prefix of 4,096 bytes"), &scanned, &vec![key.clone()])?;
    }
    t.count(&key).await.map(drop)
}

async fn too_long_prefix_is_refused(t: &Trial<'_>) -> Verdict {
    let prefix = "p".repeat(KEY_BYTES_MAX + 1);
    for method in t.methods().filter(|method| method.is_prefixed()) {
        let what = format!("{} with a prefix of 4,097 bytes", method.name);
        t.refused(&what, t.send(method, &t.namespace, &prefix).await, &[KeyInvalid])?;
    }
    Ok(())
}

async fn limit_bounds_the_answer(t: &Trial<'_>) -> Verdict {
    let keys: Vec<_> = (0..7).map(|n| t.key(&format!("k{n}"))).collect();
    t.set_all(&keys, &Bytes::from_static(b"v")).await?;
    for which in Which::BOTH {
        for (limit, expected) in [(1, 1_usize), (3, 3), (7, 7), (100, 7), (i32::MAX, 7), (0, 7)] {
            let mut scanned = t.scan(which, ScanRequest { limit, ..t.all() }).await?;
            if !(1..=7).contains(&limit) && !t.target.promised.scan_exactly_once {
                scanned = sorted(scanned);
                scanned.dedup();
            }
            same(format!("keys from {which} of 7 with limit {limit}"), &scanned.len(), &expected)?;
        }
    }
    Ok(())
}

async fn negative_limit_is_refused(t: &Trial<'_>) -> Verdict {
    for which in Which::BOTH {
        for limit in [-1, i32::MIN] {
            let answer = t.try_scan(which, ScanRequest { limit, ..t.all() }).await;
            t.refused(&format!("{which} with limit {limit}"), answer, &[LimitInvalid])?;
        }
    }
    Ok(())
}

async fn many_keys_arrive_whole(t: &Trial<'_>) -> Verdict {
    let keys: Vec<_> = (0..t.target.options.scan_keys).map(|n| t.key(&format!("k{n:06}"))).collect();
    t.set_all(&keys, &Bytes::from_static(b"v")).await?;
    for which in Which::BOTH {
        let mut scanned = sorted(t.scan(which, t.all()).await?);
        scanned.dedup();
        let missing = keys.iter().filter(|key| scanned.binary_search(key).is_err()).count();
        holds(missing == 0 && scanned.len() == keys.len(), || {
            format!(
                "{which} of {} keys returned {} of them, {missing} are missing",
                keys.len(),
                scanned.len()
            )
        })?;
    }
    Ok(())
}

async fn count_is_exact(t: &Trial<'_>) -> Verdict {
    same("Count where there is no key", &t.count(t.prefix()).await?, &0)?;
    let keys: Vec<_> = (0..9).map(|n| t.key(&format!("k{n}"))).collect();
    t.set_all(&keys, &Bytes::from_static(b"v")).await?;
    t.set_all(&keys[..4], &Bytes::from_static(b"w")).await?;
    same("Count of 9 keys, 4 of them set twice", &t.count(t.prefix()).await?, &9)?;
    same("Count of the one key with a prefix", &t.count(&keys[3]).await?, &1)?;
    t.delete(&keys[8]).await?;
    same("Count of 9 keys after the Delete of one", &t.count(t.prefix()).await?, &8)
}

async fn keys_are_in_byte_order(t: &Trial<'_>) -> Verdict {
    // In UTF-16, U+FF61 sorts after U+1F600; with case folding or a locale, letters of either case sort together.
    const NAMES: [&str; 10] = ["10", "2", "A", "B", "Z", "a", "b", "é", "\u{FF61}", "\u{1F600}"];
    let keys: Vec<_> = NAMES.iter().map(|name| t.key(name)).collect();
    for key in keys.iter().rev() {
        t.set(key, "v").await?;
    }
    for which in Which::BOTH {
        same(format!("{which} of ten keys"), &t.scan(which, t.all()).await?, &keys)?;
    }
    Ok(())
}

/// More than fits into the windows and buffers between a scan and its reader, so that a scan that has begun waits for
/// its reader while the keys change.
const STABLE_KEYS: usize = 100;
const STABLE_VALUE_BYTES: usize = 16 * 1024;
const WINDOW_BYTES: u32 = 64 * 1024;

async fn stable_keys_appear_exactly_once(t: &Trial<'_>) -> Verdict {
    let stable: Vec<_> = (0..STABLE_KEYS).map(|n| t.key(&format!("k{n:03}"))).collect();
    let passing: Vec<_> = (0..STABLE_KEYS).step_by(10).map(|n| t.key(&format!("k{n:03}-passing"))).collect();
    t.set_all(&stable, &Bytes::from("a".repeat(STABLE_VALUE_BYTES))).await?;

    let mut scan = t.connected_anew(Some(WINDOW_BYTES))?.open_scan(t.all()).await?;
    let mut seen = BTreeMap::new();
    if let Some(first) = answered("the first message of Scan", scan.message().await)? {
        *seen.entry(first.key).or_insert(0) += 1;
    }
    toggle_and_overwrite(t, &stable, &passing).await?;
    while let Some(item) = answered("Scan while keys change", scan.message().await)? {
        *seen.entry(item.key).or_insert(0) += 1;
    }
    each_once("Scan", &stable, &seen)?;

    let scans = async {
        for _ in 0..3 {
            let mut seen = BTreeMap::new();
            for key in t.scan(Which::ScanKeys, t.all()).await? {
                *seen.entry(key).or_insert(0) += 1;
            }
            each_once("ScanKeys", &stable, &seen)?;
        }
        Ok(())
    };
    try_join(toggle_and_overwrite(t, &stable, &passing), scans).await.map(drop)
}

async fn toggle_and_overwrite(t: &Trial<'_>, stable: &[String], passing: &[String]) -> Verdict {
    t.set_all(passing, &Bytes::from_static(b"v")).await?;
    t.set_all(stable, &Bytes::from("b".repeat(STABLE_VALUE_BYTES))).await?;
    for key in passing {
        t.delete(key).await?;
    }
    Ok(())
}

fn each_once(what: &str, stable: &[String], seen: &BTreeMap<String, usize>) -> Verdict {
    for key in stable {
        match seen.get(key).copied().unwrap_or_default() {
            1 => {}
            times => {
                let others = "while it was overwritten and others were set and deleted";
                return failed(format!("{what} returned a key {times} times {others}; expected once"));
            }
        }
    }
    Ok(())
}
