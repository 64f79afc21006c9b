//! Services as one, by name and method.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use http::header::HeaderValue;
use http::{Request, Response};
use prism_proto::methods::{self, Methods};
use prism_proto::{Error, ErrorReason};
use rustc_hash::{FxHashMap, FxHashSet};
use tonic::body::Body;
use tonic::server::NamedService;
use tower_service::Service;

use crate::interface::{Interface, Method, TonicAnswer, TonicCall};

/// A service as tonic generates it: always ready, and as cheap to clone as an `Arc`.
pub trait TonicService: NamedService + Clone + Send + Sync + 'static {
    /// Starts a call.
    fn begin(&self, request: Request<Body>) -> TonicAnswer;
}

impl<S> TonicService for S
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future = TonicAnswer>,
    S: NamedService + Clone + Send + Sync + 'static,
{
    fn begin(&self, request: Request<Body>) -> TonicAnswer {
        self.clone().call(request)
    }
}

/// Several services as one: the seam between HTTP/2 streams and what serves them, and between the proxy and a plugin in
/// the same process. Cheap to clone.
#[derive(Clone)]
pub struct GrpcService(Arc<Parts>);

#[derive(Default)]
struct Parts {
    services: FxHashMap<&'static str, TonicCall>,
    methods: FxHashMap<String, Method>,
    streams: FxHashMap<String, TonicCall>,
    /// The `server` header of tonic services.
    server: Option<HeaderValue>,
}

impl fmt::Debug for GrpcService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.services.keys()).finish_non_exhaustive()
    }
}

impl GrpcService {
    pub(crate) fn call(&self, request: Request<Body>) -> Result<TonicAnswer, Error> {
        let path = request.uri().path();
        let Parts { services, streams, .. } = &*self.0;
        let call = streams.get(path).or_else(|| services.get(methods::service_of(path)));
        let call = call.ok_or_else(|| unknown_method(path))?;
        Ok(call(request))
    }

    /// The `server` header of tonic services.
    pub(crate) fn server(&self) -> Option<&HeaderValue> {
        self.0.server.as_ref()
    }

    /// What serves the method at `path` from the bytes of its message, if it takes one message.
    #[must_use]
    pub fn method(&self, path: &str) -> Option<&Method> {
        self.0.methods.get(path)
    }
}

/// Collects the services of a server.
#[derive(Default)]
pub struct Services {
    parts: Parts,
    names: Vec<&'static str>,
    keyed: FxHashSet<&'static str>,
    descriptors: Vec<&'static [u8]>,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(&self.names).finish()
    }
}

impl Services {
    /// Adds a service, replacing one of the same name, with the encoded file descriptor set that describes it.
    #[must_use]
    pub fn add<S: TonicService>(mut self, service: S, descriptors: &'static [u8]) -> Self {
        self = self.named(S::NAME, descriptors);
        self.parts.services.insert(S::NAME, Box::new(move |request| service.begin(request)));
        self
    }

    /// Adds an interface, replacing one of the same name.
    #[must_use]
    pub fn add_interface<B>(mut self, interface: Interface<B>) -> Self {
        self = self.named(interface.name, interface.descriptors);
        self.keyed.extend(interface.keyed);
        self.parts.methods.extend(interface.methods);
        self.parts.streams.extend(interface.streams);
        self
    }

    /// Registers a service's name, and removes what served it before.
    fn named(mut self, name: &'static str, descriptors: &'static [u8]) -> Self {
        self.parts.services.remove(name);
        self.parts.methods.retain(|path, _| methods::service_of(path) != name);
        self.parts.streams.retain(|path, _| methods::service_of(path) != name);
        if !self.names.contains(&name) {
            self.names.push(name);
        }
        if !self.descriptors.contains(&descriptors) {
            self.descriptors.push(descriptors);
        }
        self
    }

    /// Puts something in front of each method of the interfaces: of those that take one message, and of those that take a stream. `method` is
    /// also given the path if the method is unary and its requests name one key or list.
    #[must_use]
    pub fn behind(
        mut self,
        method: impl Fn(Method, Option<&'static str>) -> Method,
        stream: impl Fn(TonicCall) -> TonicCall,
    ) -> Self {
        let Parts { methods, streams, .. } = &mut self.parts;
        let keyed = &self.keyed;
        let wrap = |(path, called): (String, _)| {
            let called = method(called, keyed.get(path.as_str()).copied());
            (path, called)
        };
        *methods = std::mem::take(methods).into_iter().map(wrap).collect();
        *streams = std::mem::take(streams).into_iter().map(|(path, call)| (path, stream(call))).collect();
        self
    }

    /// Sets the `server` header with which the tonic services respond.
    #[must_use]
    pub fn with_server(mut self, server: &'static str) -> Self {
        self.parts.server = Some(HeaderValue::from_static(server));
        self
    }

    /// The full names of the services added so far.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.names.clone()
    }

    /// The encoded file descriptor sets of the services added so far.
    #[must_use]
    pub fn descriptors(&self) -> &[&'static [u8]] {
        &self.descriptors
    }

    /// The services as one.
    ///
    /// # Panics
    /// A compiled-in descriptor set cannot be decoded.
    #[must_use]
    pub fn build(self) -> Served {
        let mut methods = Methods::default();
        for set in &self.descriptors {
            let set = <prost_types::FileDescriptorSet as prost::Message>::decode(*set)
                .expect("the descriptors were compiled in");
            methods.extend(methods::of_files(&set.file));
        }
        methods.retain(|path, _| self.names.contains(&methods::service_of(path)));
        Served { service: GrpcService(Arc::new(self.parts)), methods, descriptors: self.descriptors }
    }
}

/// Services as one, and what is known about their methods.
#[derive(Clone, Debug)]
pub struct Served {
    /// Serves the calls to all of them.
    pub service: GrpcService,
    /// Their methods and no others.
    pub methods: Methods,
    /// The encoded file descriptor sets that describe them.
    pub descriptors: Vec<&'static [u8]>,
}

/// The error of a call to a method that does not exist.
#[must_use]
pub fn unknown_method(path: &str) -> Error {
    let shown: String = path.chars().take(200).collect();
    Error::new(
        ErrorReason::MethodUnknown,
        format!("there is no method {shown}; reflection lists the services of this server"),
    )
}

#[cfg(test)]
mod tests {
    use tonic_health::pb::health_server::{Health, HealthServer};
    use tonic_health::pb::{FILE_DESCRIPTOR_SET, HealthCheckRequest, HealthCheckResponse};

    use super::*;
    use crate::context::Context;

    const NAME: &str = "grpc.health.v1.Health";
    const CHECK: &str = "/grpc.health.v1.Health/Check";

    fn unary() -> Interface<()> {
        let check =
            |_: Arc<()>, _: Context, _: HealthCheckRequest| async { Ok(HealthCheckResponse::default()) };
        Interface::new(NAME, FILE_DESCRIPTOR_SET, Arc::new(())).bytes_method(CHECK, check)
    }

    fn tonics() -> HealthServer<impl Health> {
        HealthServer::new(tonic_health::server::HealthService::from_health_reporter(Default::default()))
    }

    #[test]
    fn the_service_that_was_added_last_answers_for_its_name() {
        let last_tonics =
            Services::default().add_interface(unary()).add(tonics(), FILE_DESCRIPTOR_SET).build();
        assert!(last_tonics.service.method(CHECK).is_none());
        assert!(last_tonics.service.0.services.contains_key(NAME));
        let last_unary =
            Services::default().add(tonics(), FILE_DESCRIPTOR_SET).add_interface(unary()).build();
        assert!(last_unary.service.method(CHECK).is_some());
        assert!(!last_unary.service.0.services.contains_key(NAME));
    }
}
