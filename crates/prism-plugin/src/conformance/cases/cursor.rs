//! `start_after`, and scans that are cancelled early.

use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use prism_grpc::message::framed;
use prism_http2::Reason;
use prism_proto::ErrorReason::{CursorUnsupported, KeyInvalid};
use prism_proto::interfaces::keyvalue::ScanRequest;
use prism_proto::limits::KEY_BYTES_MAX;
use prism_proto::rpc::Rpc as _;
use prism_proto::rpc::keyvalue::{Exists, Scan};
use prost::Message as _;

use super::table;
use crate::conformance::calls::{Named, Which};
use crate::conformance::expect::{Stop, Verdict, failed, holds, same};
use crate::conformance::raw::{RawCall, send_all};
use crate::conformance::trial::Trial;

table! {
    "scan/start-after-is-exclusive",
        "where ordered is declared, start_after returns only greater keys, and pages join up",
        [KeyValue, Scan, Ordered], start_after_is_exclusive;
    "scan/start-after-needs-no-key",
        "where ordered is declared, start_after may name a missing key, before, between or after the others",
        [KeyValue, Scan, Ordered], start_after_needs_no_key;
    "scan/start-after-is-a-key",
        "where ordered is declared, a start_after of 0 or 4,097 bytes gets INVALID_ARGUMENT / KEY_INVALID",
        [Scan, Ordered], start_after_is_a_key;
    "scan/start-after-needs-order",
        "where ordered is not declared, start_after gets UNIMPLEMENTED / CURSOR_UNSUPPORTED",
        [Scan, Unordered], start_after_needs_order;
    "scan/may-be-left-early",
        "a scan that is reset after its first bytes ends alone: its connection stays usable",
        [KeyValue, Scan], may_be_left_early;
}

async fn start_after_is_exclusive(t: &Trial<'_>) -> Verdict {
    let keys: Vec<_> = (0..10).map(|n| t.key(&format!("k{n}"))).collect();
    t.set_all(&keys, &Bytes::from_static(b"v")).await?;
    for which in Which::BOTH {
        let request = ScanRequest { start_after: Some(keys[4].clone()), ..t.all() };
        let scanned = t.scan(which, request).await?;
        same(format!("{which} with start_after the fifth of ten keys"), &scanned, &keys[5..].to_vec())?;

        let (mut paged, mut start_after) = (Vec::new(), None);
        while paged.len() < keys.len() {
            let request = ScanRequest { limit: 3, start_after: start_after.take(), ..t.all() };
            let page = t.scan(which, request).await?;
            let Some(last) = page.last() else { break };
            start_after = Some(last.clone());
            paged.extend(page);
        }
        same(format!("{which} in pages of 3, each after the last key of the previous page"), &paged, &keys)?;
    }
    Ok(())
}

async fn start_after_needs_no_key(t: &Trial<'_>) -> Verdict {
    let keys = ["b", "d", "f"].map(|name| t.key(name));
    for key in &keys {
        t.set(key, "v").await?;
    }
    for which in Which::BOTH {
        for (name, expected) in [("a", &keys[..]), ("c", &keys[1..]), ("e\u{10FFFF}", &keys[2..]), ("g", &[])]
        {
            let request = ScanRequest { start_after: Some(t.key(name)), ..t.all() };
            let scanned = t.scan(which, request).await?;
            same(format!("{which} of b, d, f with start_after {name:?}"), &scanned[..], expected)?;
        }
        let request = ScanRequest { start_after: Some("\0".to_owned()), ..t.all() };
        let scanned = t.scan(which, request).await?;
        same(format!("{which} with a start_after before its whole prefix"), &scanned[..], &keys)?;
    }
    Ok(())
}

async fn start_after_is_a_key(t: &Trial<'_>) -> Verdict {
    for which in Which::BOTH {
        for size in [0, KEY_BYTES_MAX + 1] {
            let request = ScanRequest { start_after: Some("k".repeat(size)), ..t.all() };
            let what = format!("{which} with a start_after of {size} bytes");
            t.refused(&what, t.try_scan(which, request).await, &[KeyInvalid])?;
        }
    }
    Ok(())
}

async fn start_after_needs_order(t: &Trial<'_>) -> Verdict {
    for which in Which::BOTH {
        let request = ScanRequest { start_after: Some(t.key("k")), ..t.all() };
        let what = format!("{which} with start_after, without the capability ordered");
        t.refused(&what, t.try_scan(which, request).await, &[CursorUnsupported])?;
    }
    Ok(())
}

/// Values that do not fit the windows, so that the scan is still running when it is cancelled.
const LEFT_KEYS: usize = 12;
const LEFT_VALUE_BYTES: usize = 32 * 1024;

async fn may_be_left_early(t: &Trial<'_>) -> Verdict {
    let keys: Vec<_> = (0..LEFT_KEYS).map(|n| t.key(&format!("k{n:02}"))).collect();
    t.set_all(&keys, &Bytes::from("v".repeat(LEFT_VALUE_BYTES))).await?;
    let raw = t.raw_connection().await?;
    let scan = framed(&t.all().encode_to_vec());
    let lost = |error: prism_http2::Error| Stop::Failed(format!("Scan: expected a stream, got {error}"));

    let (response, mut stream) = raw.begin(RawCall::new(Scan::PATH, scan.clone())).await.map_err(lost)?;
    send_all(&mut stream, scan).await;
    let mut body = response.await.map_err(lost)?.into_body();
    let first = poll_fn(|cx| body.poll_data(cx)).await;
    holds(matches!(first, Some(Ok(_))), || "Scan of 12 keys returned no bytes".to_owned())?;
    stream.send_reset(Reason::CANCEL);
    drop(body);

    let named = Named { namespace: t.namespace.clone(), name: keys[0].clone() };
    for _ in 0..3 {
        let call = raw.call(RawCall::message(Exists::PATH, &named));
        match tokio::time::timeout(Duration::from_secs(10), call).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                return failed(format!("Exists on the connection of a cancelled scan: {error}"));
            }
            Err(_) => return failed("Exists on the connection of a cancelled scan: no response within 10 s"),
        }
    }
    Ok(())
}
