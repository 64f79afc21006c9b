//! Queries a backend's reflection for the interfaces it serves and the kinds of their methods, again with every new
//! connection, since a plugin may have been replaced. Reflection is optional: without it, all calls are forwarded.

use std::sync::Weak;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, SERVER, TE};
use http::{HeaderValue, Request};
use prism_auth::OwnToken;
use prism_grpc::message::{PREFIX_BYTES, framed};
use prism_http2::client::SendRequest;
use prism_http2::{RecvStream, SendStream};
use prism_proto::methods;
use prism_proto::{INTERFACES_PREFIX, limits};
use prism_runtime::reflection::Files;
use prost::Message as _;
use prost_types::FileDescriptorProto;
use rustc_hash::FxHashSet;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use crate::route::{Found, Remote};

/// The versions of the reflection service, which have the same messages; the newer first.
const PATHS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// How long a backend has to respond.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// The maximum number of interfaces queried, and of imports of one of them.
const INTERFACES_MAX: usize = 256;
const IMPORTS_MAX: usize = 256;

/// Queries a backend over a new connection and records the result, unless somebody is querying it already.
pub(super) fn begin(remote: &Weak<Remote>, send: &SendRequest) {
    if remote.upgrade().is_some_and(|remote| remote.discovered.begin_asking()) {
        tokio::spawn(run(Weak::clone(remote), send.clone()));
    }
}

async fn run(remote: Weak<Remote>, send: SendRequest) {
    let token = remote.upgrade().and_then(|remote| remote.token.as_ref().map(OwnToken::authorization));
    let found = tokio::time::timeout(ANSWER_MAX, ask(send, token)).await.ok().flatten();
    if let Some(remote) = remote.upgrade() {
        if found.is_none() {
            tracing::debug!(backend = %remote.endpoint, "the backend has no reflection; forwarding every call");
        }
        remote.discovered.note(found);
    }
}

async fn ask(send: SendRequest, token: Option<HeaderValue>) -> Option<Found> {
    for path in PATHS {
        let mut conversation = Conversation::open(send.clone(), path, token.clone()).await?;
        if let Some(found) = conversation.discover().await {
            return Some(found);
        }
    }
    None
}

/// One stream to a reflection service.
struct Conversation {
    to: SendStream,
    from: RecvStream,
    received: BytesMut,
    is_proxy: bool,
}

impl Conversation {
    async fn open(send: SendRequest, path: &'static str, token: Option<HeaderValue>) -> Option<Self> {
        let mut request = Request::post(format!("http://localhost{path}")).body(()).ok()?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        if let Some(token) = token {
            request.headers_mut().insert(AUTHORIZATION, token);
        }
        let (response, mut to) = send.ready().await.ok()?.send_request(request, false).ok()?;
        // A server may withhold its head until it has a message.
        Self::send(&mut to, MessageRequest::ListServices(String::new()))?;
        let (head, from) = response.await.ok()?.into_parts();
        let is_proxy = head.headers.get(SERVER).is_some_and(|server| server == crate::endpoint::PROXY);
        Some(Self { to, from, received: BytesMut::new(), is_proxy })
    }

    fn send(to: &mut SendStream, question: MessageRequest) -> Option<()> {
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
        to.send_data(framed(&request.encode_to_vec()), false).ok()
    }

    async fn discover(&mut self) -> Option<Found> {
        // The request was sent when the stream was opened.
        let MessageResponse::ListServicesResponse(list) = self.answer().await? else { return None };
        let names = list.service.into_iter().map(|service| service.name);
        let interfaces: FxHashSet<_> = names.filter(|name| name.starts_with(INTERFACES_PREFIX)).collect();
        let mut found = Found { interfaces, is_proxy: self.is_proxy, ..Found::default() };
        for interface in found.interfaces.iter().take(INTERFACES_MAX) {
            let files = self.files(MessageRequest::FileContainingSymbol(interface.clone())).await?;
            let decode = |file: &Bytes| FileDescriptorProto::decode(file.clone()).ok();
            found.methods.extend(methods::of_files(&files.iter().filter_map(decode).collect::<Vec<_>>()));
            if !methods::INTERFACES.contains(interface) {
                self.add_with_imports(files, &mut found.files).await?;
            }
        }
        Some(found)
    }

    /// Adds files and their imports, as far as the backend has them.
    async fn add_with_imports(&mut self, files: Vec<Bytes>, to: &mut Files) -> Option<()> {
        let mut left = files;
        let mut asked_for = FxHashSet::default();
        while let Some(file) = left.pop() {
            if to.bytes() + file.len() > limits::MESSAGE_BYTES_MAX {
                break;
            }
            let Ok(file) = to.add(file) else { continue };
            for import in file.dependency {
                if to.named(&import).is_none()
                    && asked_for.len() < IMPORTS_MAX
                    && asked_for.insert(import.clone())
                {
                    left.extend(self.files(MessageRequest::FileByFilename(import)).await?);
                }
            }
        }
        Some(())
    }

    /// The files of a response; empty if it is an error.
    async fn files(&mut self, question: MessageRequest) -> Option<Vec<Bytes>> {
        match self.ask(question).await? {
            MessageResponse::FileDescriptorResponse(files) => {
                Some(files.file_descriptor_proto.into_iter().map(Bytes::from).collect())
            }
            _ => Some(Vec::new()),
        }
    }

    async fn ask(&mut self, question: MessageRequest) -> Option<MessageResponse> {
        Self::send(&mut self.to, question)?;
        self.answer().await
    }

    async fn answer(&mut self) -> Option<MessageResponse> {
        loop {
            if let Some((prefix, rest)) = self.received.split_at_checked(PREFIX_BYTES) {
                let len = u32::from_be_bytes(prefix[1..].try_into().ok()?) as usize;
                if prefix[0] != 0 || len > limits::MESSAGE_BYTES_MAX {
                    return None;
                }
                if rest.len() >= len {
                    self.received.advance(PREFIX_BYTES);
                    let message = self.received.split_to(len);
                    return ServerReflectionResponse::decode(message).ok()?.message_response;
                }
            }
            let data = self.from.data().await?.ok()?;
            self.received.extend_from_slice(&data);
        }
    }
}
