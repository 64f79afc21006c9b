//! Keys and list keys: 1 to 4,096 bytes of UTF-8.

use bytes::Bytes;
use prism_grpc::message::framed;
use prism_proto::ErrorReason::{KeyInvalid, MalformedRequest};
use prism_proto::limits::KEY_BYTES_MAX;

use super::table;
use crate::conformance::calls::{Method, Named};
use crate::conformance::expect::{Verdict, holds, same};
use crate::conformance::raw::RawCall;
use crate::conformance::trial::Trial;
use crate::list::End;
use prost::Message as _;

table! {
    "keys/empty-is-refused",
        "an empty key or list key gets INVALID_ARGUMENT / KEY_INVALID from every method",
        [], empty_is_refused;
    "keys/longest-is-accepted",
        "a key or list key of 4,096 bytes is stored whole",
        [], longest_is_accepted;
    "keys/too-long-is-refused",
        "a key or list key of 4,097 bytes gets INVALID_ARGUMENT / KEY_INVALID from every method",
        [], too_long_is_refused;
    "keys/length-is-counted-in-bytes",
        "2,048 two-byte characters are the longest key; 2,049 of them are refused",
        [], length_is_counted_in_bytes;
    "keys/any-utf8-is-kept-apart",
        "any UTF-8 is a valid key, and keys that differ in one byte are different keys",
        [], any_utf8_is_kept_apart;
    "keys/invalid-utf8-is-refused",
        "a key or list key that is not UTF-8 gets INVALID_ARGUMENT / MALFORMED_REQUEST",
        [], invalid_utf8_is_refused;
}

fn keyed<'a>(t: &'a Trial<'_>) -> impl Iterator<Item = &'static Method> + use<'a> {
    t.methods().filter(|method| method.is_keyed()).collect::<Vec<_>>().into_iter()
}

async fn empty_is_refused(t: &Trial<'_>) -> Verdict {
    for method in keyed(t) {
        let what = format!("{} with an empty key", method.name);
        t.refused(&what, t.send(method, &t.namespace, "").await, &[KeyInvalid])?;
    }
    Ok(())
}

async fn longest_is_accepted(t: &Trial<'_>) -> Verdict {
    let name = t.key_of_len(KEY_BYTES_MAX);
    if t.target.served.keyvalue() {
        t.set(&name, "v").await?;
        same("Get of a key of 4,096 bytes", &t.get(&name).await?, &Some("v".into()))?;
        holds(t.exists(&name).await?, || "Exists does not see a key of 4,096 bytes".to_owned())?;
        holds(t.delete(&name).await?, || "Delete does not find a key of 4,096 bytes".to_owned())?;
    }
    if t.target.served.list() {
        t.push(End::Right, &name, "v").await?;
        same("PopLeft from a list key of 4,096 bytes", &t.pop(End::Left, &name).await?, &Some("v".into()))?;
    }
    Ok(())
}

async fn too_long_is_refused(t: &Trial<'_>) -> Verdict {
    // The first 4,096 bytes are cleaned up, too, in case they were taken for the key.
    t.key_of_len(KEY_BYTES_MAX);
    let name = t.key_of_len(KEY_BYTES_MAX + 1);
    for method in keyed(t) {
        let what = format!("{} with a key of 4,097 bytes", method.name);
        t.refused(&what, t.send(method, &t.namespace, &name).await, &[KeyInvalid])?;
    }
    Ok(())
}

async fn length_is_counted_in_bytes(t: &Trial<'_>) -> Verdict {
    let room = KEY_BYTES_MAX - t.prefix().len();
    let padding = "k".repeat(room % 2);
    let name = format!("{padding}{}", "é".repeat(room / 2));
    let (key, _list) = (t.key(&name), t.list(&name));
    let longer = t.key(&format!("{name}é"));
    t.list(&format!("{name}é"));
    for method in keyed(t) {
        let what = format!("{} with a key of two-byte characters, 4,098 bytes long", method.name);
        t.refused(&what, t.send(method, &t.namespace, &longer).await, &[KeyInvalid])?;
    }
    if t.target.served.keyvalue() {
        t.set(&key, "v").await?;
        same(
            "Get of a key of two-byte characters, 4,096 bytes long",
            &t.get(&key).await?,
            &Some("v".into()),
        )?;
    }
    if t.target.served.list() {
        t.push(End::Right, &key, "v").await?;
    }
    Ok(())
}

async fn any_utf8_is_kept_apart(t: &Trial<'_>) -> Verdict {
    const NAMES: [&str; 16] = [
        "a",
        "A",
        "a ",
        " a",
        "a\n",
        "a\0",
        "a\0b",
        "a/b",
        "a//b",
        "é",
        "e\u{301}",
        "\u{1F600}",
        "\u{10FFFF}",
        "*",
        "%",
        "\u{FEFF}a",
    ];
    if t.target.served.keyvalue() {
        for name in NAMES {
            t.set(&t.key(name), name).await?;
        }
        for name in NAMES {
            same(
                format!("Get of key {name:?} beside 15 others like it"),
                &t.get(&t.key(name)).await?,
                &Some(name.into()),
            )?;
        }
    }
    if t.target.served.list() {
        for name in NAMES {
            t.push(End::Right, &t.list(name), name).await?;
        }
        for name in NAMES {
            let popped = t.pop(End::Left, &t.list(name)).await?;
            same(format!("PopLeft of list {name:?} beside 15 others like it"), &popped, &Some(name.into()))?;
        }
    }
    Ok(())
}

async fn invalid_utf8_is_refused(t: &Trial<'_>) -> Verdict {
    // If a server decodes the byte as U+FFFD, that key is cleaned up.
    t.key("\u{FFFD}");
    t.list("\u{FFFD}");
    let name = format!("{}\u{1}", t.prefix());
    let message = Named { namespace: t.namespace.clone(), name }.encode_to_vec();
    for method in t.methods() {
        let what = format!("{} with the byte FF in its {}", method.name, method.field);
        let mut bytes = message.clone();
        if let Some(last) = bytes.last_mut() {
            *last = 0xFF;
        }
        let answer = t.raw(&what, RawCall::new(method.path, framed(&bytes))).await?;
        t.refused::<Bytes>(&what, answer.outcome(), &[MalformedRequest, KeyInvalid])?;
    }
    Ok(())
}
