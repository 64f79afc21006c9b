//! `grpc.reflection`, v1 and v1alpha: what a server's port serves, for tools and for proxies.
//!
//! An invalid request gets an error response, as [the protocol][proto] requires, and the stream continues. (The server
//! of `tonic-reflection` ends the stream, and describes only what is known at the start.)
//!
//! [proto]: https://github.com/grpc/grpc-proto/blob/master/grpc/reflection/v1/reflection.proto

mod files;

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use prism_grpc::service::Services;
use prost::Message;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::server_reflection_server as service_v1;
use tonic_reflection::pb::v1::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
    ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
};
use tonic_reflection::pb::v1alpha::server_reflection_server as service_v1alpha;
use tonic_reflection::pb::{v1, v1alpha};

pub use files::Files;

/// What reflection describes.
pub trait Catalog: Send + Sync + 'static {
    /// The full names of the services that can currently be called.
    fn services(&self) -> BTreeSet<String>;

    /// The first result of `find`, applied to the files that describe them, one set after another.
    fn find(&self, find: &dyn Fn(&Files) -> Option<Bytes>) -> Option<Bytes>;
}

/// Services that are known at the start.
#[derive(Debug)]
pub struct Fixed {
    names: Vec<&'static str>,
    files: Files,
}

impl Fixed {
    /// All services added so far, and reflection itself.
    ///
    /// # Panics
    /// A compiled-in descriptor set cannot be decoded.
    #[must_use]
    pub fn of(services: &Services) -> Self {
        let mut names = services.names();
        names.extend([service_v1::SERVICE_NAME, service_v1alpha::SERVICE_NAME]);
        let sets =
            services.descriptors().iter().chain(&[v1::FILE_DESCRIPTOR_SET, v1alpha::FILE_DESCRIPTOR_SET]);
        Self { names, files: Files::of_sets(sets).expect("the descriptors were compiled in") }
    }
}

impl Catalog for Fixed {
    fn services(&self) -> BTreeSet<String> {
        self.names.iter().map(|&name| name.to_owned()).collect()
    }

    fn find(&self, find: &dyn Fn(&Files) -> Option<Bytes>) -> Option<Bytes> {
        find(&self.files)
    }
}

/// Adds reflection of a catalog.
#[must_use]
pub fn add_to(services: Services, catalog: Arc<dyn Catalog>) -> Services {
    let reflection = Reflection(catalog);
    services
        .add(service_v1::ServerReflectionServer::new(reflection.clone()), v1::FILE_DESCRIPTOR_SET)
        .add(service_v1alpha::ServerReflectionServer::new(reflection), v1alpha::FILE_DESCRIPTOR_SET)
}

/// Answers reflection requests.
#[derive(Clone)]
struct Reflection(Arc<dyn Catalog>);

/// The responses on one stream.
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Reflection {
    fn answers(
        &self,
        questions: impl Stream<Item = Result<ServerReflectionRequest, Status>> + Send + 'static,
    ) -> Answers<ServerReflectionResponse> {
        let this = self.clone();
        Box::pin(questions.map(move |question| question.map(|question| this.answer(question))))
    }

    fn answer(&self, question: ServerReflectionRequest) -> ServerReflectionResponse {
        let answer = match &question.message_request {
            Some(MessageRequest::ListServices(_)) => {
                let named = |name| ServiceResponse { name };
                let service = self.0.services().into_iter().map(named).collect();
                MessageResponse::ListServicesResponse(ListServiceResponse { service })
            }
            Some(MessageRequest::FileByFilename(name)) => self.file("file", name, &|files| files.named(name)),
            Some(MessageRequest::FileContainingSymbol(name)) => {
                self.file("symbol", name, &|files| files.defining(name))
            }
            Some(MessageRequest::AllExtensionNumbersOfType(name)) => {
                match self.0.find(&|files| files.defining(name)) {
                    // No proto here extends another.
                    Some(_) => MessageResponse::AllExtensionNumbersResponse(ExtensionNumberResponse {
                        base_type_name: name.clone(),
                        extension_number: Vec::new(),
                    }),
                    None => unknown("type", name),
                }
            }
            Some(MessageRequest::FileContainingExtension(extension)) => {
                unknown("extension of", &extension.containing_type)
            }
            None => failed(Code::InvalidArgument, "the request is empty".to_owned()),
        };
        ServerReflectionResponse {
            valid_host: question.host.clone(),
            original_request: Some(question),
            message_response: Some(answer),
        }
    }

    fn file(&self, kind: &str, name: &str, find: &dyn Fn(&Files) -> Option<Bytes>) -> MessageResponse {
        match self.0.find(find) {
            Some(file) => MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
                file_descriptor_proto: vec![file.into()],
            }),
            None => unknown(kind, name),
        }
    }
}

fn unknown(kind: &str, name: &str) -> MessageResponse {
    let shown: String = name.chars().take(200).collect();
    failed(Code::NotFound, format!("this server has no {kind} {shown:?}"))
}

fn failed(code: Code, error_message: String) -> MessageResponse {
    MessageResponse::ErrorResponse(ErrorResponse { error_code: code.into(), error_message })
}

#[tonic::async_trait]
impl service_v1::ServerReflection for Reflection {
    type ServerReflectionInfoStream = Answers<ServerReflectionResponse>;

    async fn server_reflection_info(
        &self,
        request: Request<Streaming<ServerReflectionRequest>>,
    ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
        Ok(Response::new(self.answers(request.into_inner())))
    }
}

#[tonic::async_trait]
impl service_v1alpha::ServerReflection for Reflection {
    type ServerReflectionInfoStream = Answers<v1alpha::ServerReflectionResponse>;

    async fn server_reflection_info(
        &self,
        request: Request<Streaming<v1alpha::ServerReflectionRequest>>,
    ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
        let questions = request.into_inner().map(|question| same_on_the_wire(&question?));
        let answers = self.answers(questions).map(|answer| same_on_the_wire(&answer?));
        Ok(Response::new(Box::pin(answers)))
    }
}

/// Converts a message between the two versions, which differ only in the package's name.
fn same_on_the_wire<From: Message, To: Message + Default>(from: &From) -> Result<To, Status> {
    To::decode(from.encode_to_vec().as_slice()).map_err(|error| Status::internal(error.to_string()))
}
