//! A backend's traits as gRPC services.

use std::sync::Arc;

use prism_grpc::service::{Served, Services, TonicService};
use prism_proto::interfaces::keyvalue::key_value_scan_interface_server::KeyValueScanInterfaceServer;
use prism_proto::{FILE_DESCRIPTOR_SET, limits};

use crate::adapter::{self, keyvalue::KeyValueAdapter};
use crate::capabilities::Capabilities;
use crate::keyvalue::KeyValue;
use crate::list::List;
use crate::usage::Usage;

/// The services of one plugin, for its own server ([`crate::app::run`]) or for a process that embeds it
/// ([`Plugin::embedded`]).
#[derive(Debug, Default)]
pub struct Plugin {
    services: Services,
}

impl Plugin {
    /// A plugin that promises `capabilities` and serves no pattern yet.
    #[must_use]
    pub fn new(capabilities: Capabilities) -> Self {
        Self::promising(move || capabilities)
    }

    /// A plugin whose promises may change, such as with the settings of a server that it depends on; `ask` returns the
    /// current ones.
    #[must_use]
    pub fn promising(ask: impl Fn() -> Capabilities + Send + Sync + 'static) -> Self {
        Self { services: Services::default().add_unary(adapter::capabilities::interface(ask)) }
    }

    /// Serves the KeyValue pattern.
    #[must_use]
    pub fn keyvalue<B: KeyValue>(self, backend: Arc<B>) -> Self {
        let basic = adapter::keyvalue::interface(Arc::clone(&backend));
        let scan = KeyValueScanInterfaceServer::new(KeyValueAdapter(backend))
            .max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
            .max_encoding_message_size(limits::MESSAGE_BYTES_MAX);
        Self { services: self.services.add_unary(basic).add(scan, FILE_DESCRIPTOR_SET) }
    }

    /// Serves the List pattern.
    #[must_use]
    pub fn list<B: List>(self, backend: Arc<B>) -> Self {
        Self { services: self.services.add_unary(adapter::list::interface(backend)) }
    }

    /// Reports what the backend holds.
    #[must_use]
    pub fn usage<B: Usage>(self, backend: Arc<B>) -> Self {
        Self { services: self.services.add_unary(adapter::usage::interface(backend)) }
    }

    /// Serves the plugin's own interface, described by an encoded file descriptor set.
    #[must_use]
    pub fn service<S: TonicService>(self, service: S, descriptors: &'static [u8]) -> Self {
        Self { services: self.services.add(service, descriptors) }
    }

    /// The services, for calls within the process.
    #[must_use]
    pub fn embedded(self) -> Served {
        self.services.build()
    }

    pub(crate) fn into_services(self) -> Services {
        self.services
    }
}
