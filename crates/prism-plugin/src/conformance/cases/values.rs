//! Values: 0 to 4 MiB − 16 KiB of any bytes.

use bytes::Bytes;
use prism_proto::ErrorReason::{MessageTooLarge, ValueTooLarge};
use prism_proto::interfaces::keyvalue::SetRequest;
use prism_proto::interfaces::list::PushRightRequest;
use prism_proto::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

use super::table;
use crate::conformance::expect::{Verdict, holds, same};
use crate::conformance::raw::RawCall;
use crate::conformance::trial::Trial;
use crate::list::End;

table! {
    "values/empty-is-stored",
        "an empty value is a value: its key exists, its list contains it",
        [], empty_is_stored;
    "values/any-bytes-are-kept",
        "a value is returned byte for byte, whatever its bytes",
        [], any_bytes_are_kept;
    "values/largest-is-stored",
        "a value of 4 MiB - 16 KiB under the longest key is stored and returned",
        [], largest_is_stored;
    "values/too-large-is-refused",
        "a value of one byte more gets INVALID_ARGUMENT / VALUE_TOO_LARGE",
        [], too_large_is_refused;
    "values/too-large-message-is-refused",
        "a message of 5 MiB gets INVALID_ARGUMENT / MESSAGE_TOO_LARGE or VALUE_TOO_LARGE",
        [], too_large_message_is_refused;
    "values/refused-write-changes-nothing",
        "a Set or push that is refused leaves the key or list unchanged",
        [], refused_write_changes_nothing;
}

/// Fails with the sizes, not the bytes.
fn same_bytes(what: &str, got: Option<Bytes>, expected: &Bytes) -> Verdict {
    holds(got.as_ref() == Some(expected), || match got {
        None => format!("{what}: expected {} bytes, got none", expected.len()),
        Some(got) if got.len() == expected.len() => format!("{what}: the bytes differ"),
        Some(got) => format!("{what}: expected {} bytes, got {}", expected.len(), got.len()),
    })
}

async fn empty_is_stored(t: &Trial<'_>) -> Verdict {
    if t.target.served.keyvalue() {
        let key = t.key("k");
        t.set(&key, "").await?;
        same("Get after Set of an empty value", &t.get(&key).await?, &Some(Bytes::new()))?;
        holds(t.exists(&key).await?, || "Exists does not see a key with an empty value".to_owned())?;
    }
    if t.target.served.list() {
        let list = t.list("l");
        t.push(End::Right, &list, "").await?;
        same(
            "PopLeft after PushRight of an empty value",
            &t.pop(End::Left, &list).await?,
            &Some(Bytes::new()),
        )?;
    }
    Ok(())
}

async fn any_bytes_are_kept(t: &Trial<'_>) -> Verdict {
    let value: Bytes = (0..=u8::MAX).chain((0..=u8::MAX).rev()).cycle().take(3000).collect();
    if t.target.served.keyvalue() {
        let key = t.key("k");
        t.set(&key, value.clone()).await?;
        same_bytes("Get of a value with every byte", t.get(&key).await?, &value)?;
    }
    if t.target.served.list() {
        let list = t.list("l");
        t.push(End::Left, &list, value.clone()).await?;
        same_bytes("PopRight of a value with every byte", t.pop(End::Right, &list).await?, &value)?;
    }
    Ok(())
}

async fn largest_is_stored(t: &Trial<'_>) -> Verdict {
    let name = t.key_of_len(KEY_BYTES_MAX);
    let value = Bytes::from("v".repeat(VALUE_BYTES_MAX));
    if t.target.served.keyvalue() {
        t.set(&name, value.clone()).await?;
        same_bytes("Get of the largest value", t.get(&name).await?, &value)?;
    }
    if t.target.served.list() {
        t.push(End::Left, &name, value.clone()).await?;
        same_bytes("PopRight of the largest value", t.pop(End::Right, &name).await?, &value)?;
    }
    Ok(())
}

async fn too_large_is_refused(t: &Trial<'_>) -> Verdict {
    let value = Bytes::from("v".repeat(VALUE_BYTES_MAX + 1));
    let reasons = [ValueTooLarge, MessageTooLarge];
    if t.target.served.keyvalue() {
        let answer = t.try_set(&t.key("k"), value.clone(), None).await;
        t.refused("Set of a value one byte too large", answer, &reasons)?;
    }
    if t.target.served.list() {
        for end in [End::Left, End::Right] {
            let answer = t.try_push(end, &t.list("l"), value.clone()).await;
            t.refused(&format!("Push{end:?} of a value one byte too large"), answer, &reasons)?;
        }
    }
    Ok(())
}

async fn too_large_message_is_refused(t: &Trial<'_>) -> Verdict {
    let value = Bytes::from("v".repeat(5 * 1024 * 1024));
    let namespace = t.namespace.clone();
    let (path, message) = if t.target.served.keyvalue() {
        let request = SetRequest { namespace, key: t.key("k"), value, ..SetRequest::default() };
        let path = "/prism.interfaces.keyvalue.KeyValueBasicInterface/Set";
        (path, RawCall::message(path, &request))
    } else if t.target.served.list() {
        let request = PushRightRequest { namespace, list_key: t.list("l"), value };
        let path = "/prism.interfaces.list.ListBasicInterface/PushRight";
        (path, RawCall::message(path, &request))
    } else {
        return Ok(());
    };
    let what = format!("{path} with a message of 5 MiB");
    let answer = t.raw(&what, message).await?;
    t.refused(&what, answer.outcome(), &[MessageTooLarge, ValueTooLarge])
}

async fn refused_write_changes_nothing(t: &Trial<'_>) -> Verdict {
    let large = Bytes::from("v".repeat(VALUE_BYTES_MAX + 1));
    if t.target.served.keyvalue() {
        let key = t.key("k");
        t.set(&key, "before").await?;
        let _ = t.try_set(&key, "refused", Some(-7)).await;
        same("Get after a Set with ttl_seconds -7", &t.get(&key).await?, &Some("before".into()))?;
        let _ = t.try_set(&key, large.clone(), None).await;
        same("Get after a Set of too large a value", &t.get(&key).await?, &Some("before".into()))?;
    }
    if t.target.served.list() {
        let list = t.list("l");
        t.push(End::Right, &list, "before").await?;
        let _ = t.try_push(End::Right, &list, large).await;
        same(
            "PopRight after a push of too large a value",
            &t.pop(End::Right, &list).await?,
            &Some("before".into()),
        )?;
    }
    Ok(())
}
