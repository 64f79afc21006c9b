//! A backend's traits as gRPC services.

use std::sync::Arc;

use prism_proto::interfaces::capabilities::capabilities_interface_server::CapabilitiesInterfaceServer;
use prism_proto::interfaces::keyvalue::key_value_basic_interface_server::KeyValueBasicInterfaceServer;
use prism_proto::interfaces::keyvalue::key_value_scan_interface_server::KeyValueScanInterfaceServer;
use prism_proto::interfaces::list::list_basic_interface_server::ListBasicInterfaceServer;
use prism_proto::interfaces::usage::usage_interface_server::UsageInterfaceServer;
use prism_proto::{FILE_DESCRIPTOR_SET, limits};
use prism_runtime::service::{Served, Services, TonicService};

use crate::adapter::capabilities::CapabilitiesAdapter;
use crate::adapter::keyvalue::KeyValueAdapter;
use crate::adapter::list::ListAdapter;
use crate::adapter::usage::UsageAdapter;
use crate::{Capabilities, KeyValue, List, Usage};

/// The services of one plugin, for a server of its own ([`crate::app::run`]) or for a process that embeds it
/// ([`Plugin::embedded`]).
#[derive(Debug, Default)]
pub struct Plugin {
    services: Services,
}

/// A generated server with the contract's message limit both ways.
macro_rules! server {
    ($server:ident, $adapter:expr) => {
        $server::from_arc($adapter)
            .max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
            .max_encoding_message_size(limits::MESSAGE_BYTES_MAX)
    };
}

impl Plugin {
    /// A plugin that promises `capabilities` and serves no pattern yet.
    #[must_use]
    pub fn new(capabilities: Capabilities) -> Self {
        let adapter = Arc::new(CapabilitiesAdapter(capabilities));
        Self::default().service(server!(CapabilitiesInterfaceServer, adapter), FILE_DESCRIPTOR_SET)
    }

    /// Serves the KeyValue pattern.
    #[must_use]
    pub fn keyvalue<B: KeyValue>(self, backend: Arc<B>) -> Self {
        let adapter = Arc::new(KeyValueAdapter(backend));
        self.service(server!(KeyValueBasicInterfaceServer, Arc::clone(&adapter)), FILE_DESCRIPTOR_SET)
            .service(server!(KeyValueScanInterfaceServer, adapter), FILE_DESCRIPTOR_SET)
    }

    /// Serves the List pattern.
    #[must_use]
    pub fn list<B: List>(self, backend: Arc<B>) -> Self {
        self.service(server!(ListBasicInterfaceServer, Arc::new(ListAdapter(backend))), FILE_DESCRIPTOR_SET)
    }

    /// Tells what the backend holds.
    #[must_use]
    pub fn usage<B: Usage>(self, backend: Arc<B>) -> Self {
        self.service(server!(UsageInterfaceServer, Arc::new(UsageAdapter(backend))), FILE_DESCRIPTOR_SET)
    }

    /// Serves an interface of the plugin's own, described by an encoded file descriptor set.
    #[must_use]
    pub fn service<S: TonicService>(self, service: S, descriptors: &'static [u8]) -> Self {
        Self { services: self.services.add(service, descriptors) }
    }

    /// The services, to be called in process.
    #[must_use]
    pub fn embedded(self) -> Served {
        self.services.build()
    }

    pub(crate) fn into_services(self) -> Services {
        self.services
    }
}
