//! Requests that are malformed below the level of fields.

use std::time::Duration;

use bytes::Bytes;
use prism_grpc::message::framed;
use prism_proto::ErrorReason::{InterfaceNotServed, MalformedRequest, MethodUnknown};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::Code;

use super::table;
use crate::conformance::calls::Named;
use crate::conformance::expect::reason;
use crate::conformance::expect::{Verdict, code_name, describe, failed, holds, same};
use crate::conformance::raw::RawCall;
use crate::conformance::trial::Trial;

table! {
    "wire/unknown-method-is-unimplemented",
        "a call to a missing method or service gets UNIMPLEMENTED / METHOD_UNKNOWN",
        [], unknown_method_is_unimplemented;
    "wire/absent-message-is-refused",
        "a call that ends without a message gets INVALID_ARGUMENT / MALFORMED_REQUEST from every method",
        [], absent_message_is_refused;
    "wire/garbage-is-refused",
        "a message that is not protobuf gets INVALID_ARGUMENT / MALFORMED_REQUEST from every method",
        [], garbage_is_refused;
    "wire/cut-off-message-is-refused",
        "a message that is shorter than its length prefix gets INVALID_ARGUMENT / MALFORMED_REQUEST from every method",
        [], cut_off_message_is_refused;
    "wire/unknown-fields-are-ignored",
        "fields that a later version of the contract may add are ignored",
        [], unknown_fields_are_ignored;
    "wire/http1-is-turned-away",
        "an HTTP/1.1 request is refused at once, with a response that should say what the port speaks",
        [], http1_is_turned_away;
    "wire/bad-input-ends-no-connection",
        "after a refused call the connection stays usable",
        [], bad_input_ends_no_connection;
    "wire/deadline-in-the-past-is-deadline-exceeded",
        "a call whose grpc-timeout passes gets DEADLINE_EXCEEDED, unless it was answered before",
        [], deadline_in_the_past_is_deadline_exceeded;
}

fn valid(t: &Trial<'_>) -> Named {
    Named { namespace: t.namespace.clone(), name: t.key("k") }
}

async fn unknown_method_is_unimplemented(t: &Trial<'_>) -> Verdict {
    let service = t.read_method().path.rsplit_once('/').map_or("", |(service, _)| service);
    for path in [format!("{service}/NoSuchMethod"), "/prism.interfaces.none.NoSuchInterface/Get".to_owned()] {
        let answer = t.raw(&path, RawCall::message(&path, &valid(t))).await?.outcome();
        // A gateway fails so for an interface that its backend does not list.
        if answer.as_ref().is_err_and(|status| reason(status) == Some(InterfaceNotServed)) {
            continue;
        }
        t.refused(&format!("a call to {path}"), answer, &[MethodUnknown])?;
    }
    Ok(())
}

async fn absent_message_is_refused(t: &Trial<'_>) -> Verdict {
    for method in t.methods() {
        let what = format!("{} without a message", method.name);
        let answer = t.raw(&what, RawCall::new(method.path, Bytes::new())).await?;
        t.refused::<Bytes>(&what, answer.outcome(), &[MalformedRequest])?;
    }
    Ok(())
}

async fn garbage_is_refused(t: &Trial<'_>) -> Verdict {
    for method in t.methods() {
        let what = format!("{} with 16 bytes FF for a message", method.name);
        let answer = t.raw(&what, RawCall::new(method.path, framed(&[0xFF; 16]))).await?;
        t.refused::<Bytes>(&what, answer.outcome(), &[MalformedRequest])?;
    }
    Ok(())
}

async fn cut_off_message_is_refused(t: &Trial<'_>) -> Verdict {
    let whole = framed(&valid(t).encode_to_vec());
    for method in t.methods() {
        for len in [3, whole.len() - 1] {
            let what = format!("{} cut off after {len} of {} bytes", method.name, whole.len());
            let answer = t.raw(&what, RawCall::new(method.path, whole.slice(..len))).await?;
            t.refused::<Bytes>(&what, answer.outcome(), &[MalformedRequest])?;
        }
    }
    Ok(())
}

async fn unknown_fields_are_ignored(t: &Trial<'_>) -> Verdict {
    let method = t.read_method();
    let mut message = valid(t).encode_to_vec();
    // Field 15: a string. Field 99: a varint.
    message.extend_from_slice(b"\x7a\x03new\x98\x06\x01");
    let what = format!("{} with two fields more than the contract has", method.name);
    let answer = t.raw(&what, RawCall::new(method.path, framed(&message))).await?;
    match answer.outcome() {
        Ok(_) => Ok(()),
        Err(status) => failed(format!("{what}: expected a response, got {}", describe(&status))),
    }
}

/// How long a server may take to turn away a client that does not speak gRPC.
const TURNED_AWAY_MAX: Duration = Duration::from_secs(10);

async fn http1_is_turned_away(t: &Trial<'_>) -> Verdict {
    let exchange = async {
        let mut stream = t.target.endpoint.connect().await?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
        let mut answer = vec![0; 1024];
        let len = stream.read(&mut answer).await?;
        answer.truncate(len);
        std::io::Result::Ok(answer)
    };
    let answer = match tokio::time::timeout(TURNED_AWAY_MAX, exchange).await {
        Err(_) => return failed("GET / in HTTP/1.1: neither answered nor closed within 10 s"),
        Ok(Err(_)) => Vec::new(),
        Ok(Ok(answer)) => answer,
    };
    let line = String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned();
    holds(!line.starts_with("HTTP/1.1 2"), || {
        format!("GET / in HTTP/1.1: expected a refusal, got {line:?}")
    })?;
    if !line.starts_with("HTTP/1.1 4") {
        t.warn("GET / in HTTP/1.1: no response says what the port speaks".to_owned());
    }
    Ok(())
}

async fn bad_input_ends_no_connection(t: &Trial<'_>) -> Verdict {
    let raw = t.raw_connection().await?;
    let path = t.read_method().path;
    let bad = [
        ("a call without a message", RawCall::new(path, Bytes::new())),
        ("a message that is not protobuf", RawCall::new(path, framed(&[0xFF; 16]))),
        ("a message that is cut off", RawCall::new(path, Bytes::from_static(b"\0\0\0\0\x09abc"))),
        ("a call to a missing method", RawCall::message("/no.Such/Method", &valid(t))),
        (
            "a wrong content type",
            RawCall { content_type: Some("text/plain"), ..RawCall::message(path, &valid(t)) },
        ),
        ("an invalid key", RawCall::message(path, &Named { name: String::new(), ..valid(t) })),
    ];
    for (what, call) in bad {
        // How it is refused is the subject of other cases.
        let _ = raw.call(call).await;
        let answer = raw.call(RawCall::message(path, &valid(t))).await;
        match answer.map(|answer| answer.outcome()) {
            Ok(Ok(_)) => {}
            Ok(Err(status)) => {
                return failed(format!(
                    "a valid call on the connection after {what}: got {}",
                    describe(&status)
                ));
            }
            Err(error) => return failed(format!("a valid call on the connection after {what}: {error}")),
        }
    }
    Ok(())
}

async fn deadline_in_the_past_is_deadline_exceeded(t: &Trial<'_>) -> Verdict {
    for method in t.methods().filter(|method| !matches!(method.name, "Set" | "PushLeft" | "PushRight")) {
        let call = RawCall { headers: &[("grpc-timeout", "1n")], ..RawCall::message(method.path, &valid(t)) };
        let raw = t.raw_connection().await?;
        let answer = tokio::time::timeout(Duration::from_secs(10), raw.call(call)).await;
        let what = format!("{} with a grpc-timeout of 1 ns", method.name);
        match answer {
            Err(_) => return failed(format!("{what}: expected DEADLINE_EXCEEDED, got nothing within 10 s")),
            // gRPC allows a server to reset the stream instead, because the client has stopped waiting, too.
            Ok(Err(error)) => holds(error.contains("CANCEL") || error.contains("not needed"), || {
                format!("{what}: expected DEADLINE_EXCEEDED, got {error}")
            })?,
            Ok(Ok(answer)) => match answer.outcome() {
                Err(status) if status.code() != Code::NotFound => {
                    same(what, &code_name(status.code()), &"DEADLINE_EXCEEDED".to_owned())?;
                }
                _ => {}
            },
        }
    }
    Ok(())
}
