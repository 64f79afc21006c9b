//! Content types and compression.

use bytes::Bytes;
use http::StatusCode;
use prism_proto::ErrorReason::CompressionUnsupported;
use prism_proto::interfaces::keyvalue::SetRequest;
use prism_proto::interfaces::keyvalue::key_value_basic_interface_client::KeyValueBasicInterfaceClient;
use prism_proto::interfaces::list::PushRightRequest;
use prism_proto::interfaces::list::list_basic_interface_client::ListBasicInterfaceClient;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Status};

use super::table;
use crate::conformance::calls::Named;
use crate::conformance::expect::{Verdict, answered, describe, failed, same};
use crate::conformance::raw::RawCall;
use crate::conformance::trial::Trial;
use crate::list::End;

table! {
    "wire/other-content-types-are-415",
        "a content type other than application/grpc, or none, should get HTTP 415",
        [], other_content_types_are_415;
    "wire/grpc-content-types-are-accepted",
        "application/grpc is accepted as it is, with +proto and with parameters",
        [], grpc_content_types_are_accepted;
    "wire/unknown-compression-is-unimplemented",
        "a message with an unknown grpc-encoding is refused, as should be by UNIMPLEMENTED / COMPRESSION_UNSUPPORTED with a \
         grpc-accept-encoding that lists the known ones",
        [], unknown_compression_is_unimplemented;
    "wire/gzip-is-accepted",
        "a plugin should accept a message compressed with gzip",
        [], gzip_is_accepted;
}

fn valid(t: &Trial<'_>) -> Named {
    Named { namespace: t.namespace.clone(), name: t.key("k") }
}

/// A warning, because servers on gRPC's C core serve any content type. A gateway in front of one refuses it itself.
async fn other_content_types_are_415(t: &Trial<'_>) -> Verdict {
    let path = t.read_method().path;
    for content_type in [Some("application/json"), Some("application/grpc-web"), Some("text/plain"), None] {
        let what = format!("a call with content type {}", content_type.unwrap_or("(none)"));
        let answer = t.raw(&what, RawCall { content_type, ..RawCall::message(path, &valid(t)) }).await?;
        if answer.head.status != StatusCode::UNSUPPORTED_MEDIA_TYPE {
            t.warn(format!("{what}: expected HTTP 415, got {}", answer.head.status.as_u16()));
        }
    }
    Ok(())
}

async fn grpc_content_types_are_accepted(t: &Trial<'_>) -> Verdict {
    let path = t.read_method().path;
    for content_type in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"] {
        let what = format!("a call with content type {content_type}");
        let call = RawCall { content_type: Some(content_type), ..RawCall::message(path, &valid(t)) };
        answered(&what, t.raw(&what, call).await?.outcome())?;
    }
    Ok(())
}

async fn unknown_compression_is_unimplemented(t: &Trial<'_>) -> Verdict {
    let method = t.read_method();
    let mut call =
        RawCall { headers: &[("grpc-encoding", "folding")], ..RawCall::message(method.path, &valid(t)) };
    let mut body = call.body.to_vec();
    if let Some(compressed) = body.first_mut() {
        *compressed = 1;
    }
    call.body = body.into();
    let what = format!("{} with grpc-encoding folding", method.name);
    let answer = t.raw(&what, call).await?;
    // The code is a warning: servers on gRPC's C core answer with INTERNAL.
    match answer.outcome() {
        Ok(_) => return failed(format!("{what}: expected a refusal, got a response")),
        Err(status) if status.code() == Code::Unimplemented => {
            t.refused::<Bytes>(&what, Err(status), &[CompressionUnsupported])?;
            if !answer.head.headers.contains_key("grpc-accept-encoding") {
                t.warn(format!("{what}: expected grpc-accept-encoding with UNIMPLEMENTED, got none"));
            }
        }
        Err(status) => t.warn(format!("{what}: expected UNIMPLEMENTED, got {}", describe(&status))),
    }
    Ok(())
}

async fn gzip_is_accepted(t: &Trial<'_>) -> Verdict {
    let value = "gzip ".repeat(500);
    if t.target.served.keyvalue() {
        let key = t.key("zipped");
        let (namespace, text) = (t.namespace.clone(), value.clone());
        let mut client =
            KeyValueBasicInterfaceClient::new(t.channel.clone()).send_compressed(CompressionEncoding::Gzip);
        let request = SetRequest { namespace, key: key.clone(), value: text.into(), ..SetRequest::default() };
        if accepts_gzip(t, "Set", client.set(request).await)? {
            same(
                "Get of a value that was sent compressed",
                &t.get(&key).await?,
                &Some(value.clone().into()),
            )?;
        }
    }
    if t.target.served.list() {
        let list = t.list("zipped");
        let (namespace, text) = (t.namespace.clone(), value.clone());
        let mut client =
            ListBasicInterfaceClient::new(t.channel.clone()).send_compressed(CompressionEncoding::Gzip);
        let request = PushRightRequest { namespace, list_key: list.clone(), value: text.into() };
        if accepts_gzip(t, "PushRight", client.push_right(request).await)? {
            let popped = t.pop(End::Left, &list).await?;
            same("PopLeft of a value that was sent compressed", &popped, &Some(value.into()))?;
        }
    }
    Ok(())
}

/// gRPC does not require a server to support gzip, only to say that it does not: that is a warning.
fn accepts_gzip<T>(t: &Trial<'_>, method: &str, answer: Result<T, Status>) -> Verdict<bool> {
    match answer {
        Ok(_) => Ok(true),
        Err(status) if status.code() == Code::Unimplemented => {
            t.warn(format!("{method} compressed by gzip: refused as unimplemented"));
            Ok(false)
        }
        Err(status) => {
            failed(format!("{method} compressed by gzip: expected a response, got {}", describe(&status)))
        }
    }
}
