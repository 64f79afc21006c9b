//! A backend's traits as gRPC services.

use std::sync::Arc;

use prism_grpc::interface::Interface;
use prism_grpc::service::{Served, Services, TonicService};

use crate::adapter::{self, keyvalue, list};
use crate::capabilities::Capabilities;
use crate::keyvalue::{KeyValue, KeyValueBatch, KeyValueCas, KeyValueCounter, KeyValueTtl};
use crate::list::{List, ListBatch, ListBlocking, ListIndexing, ListRange, ListReserve, ListScan};
use crate::retries::{IdempotentRetries, Retries};
use crate::transfer::Transfer;
use crate::usage::Usage;

/// The services of one plugin, for its own server ([`crate::app::run`]) or for a process that embeds it
/// ([`Plugin::embedded`]).
#[derive(Debug, Default)]
pub struct Plugin {
    services: Services,
    retries: Retries,
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
        let services = Services::default().add_interface(adapter::capabilities::interface(ask));
        Self { services, retries: Retries::default() }
    }

    fn interface<B>(self, interface: Interface<B>) -> Self {
        Self { services: self.services.add_interface(interface), ..self }
    }

    /// Serves the KeyValue pattern: values by key, and scans.
    #[must_use]
    pub fn keyvalue<B: KeyValue>(self, backend: Arc<B>) -> Self {
        self.interface(keyvalue::interface(Arc::clone(&backend)))
            .interface(keyvalue::scan::interface(backend))
    }

    /// Serves times to live.
    #[must_use]
    pub fn keyvalue_ttl<B: KeyValueTtl>(self, backend: Arc<B>) -> Self {
        self.interface(keyvalue::ttl::interface(backend))
    }

    /// Serves batches of keys.
    #[must_use]
    pub fn keyvalue_batch<B: KeyValueBatch>(self, backend: Arc<B>) -> Self {
        self.interface(keyvalue::batch::interface(backend))
    }

    /// Serves conditional writes.
    #[must_use]
    pub fn keyvalue_cas<B: KeyValueCas>(self, backend: Arc<B>) -> Self {
        self.interface(keyvalue::cas::interface(backend))
    }

    /// Serves counters.
    #[must_use]
    pub fn keyvalue_counter<B: KeyValueCounter>(self, backend: Arc<B>) -> Self {
        self.interface(keyvalue::counter::interface(backend))
    }

    /// Serves the List pattern: pushes and pops.
    #[must_use]
    pub fn list<B: List>(self, backend: Arc<B>) -> Self {
        self.interface(list::interface(backend))
    }

    /// Serves parts of lists.
    #[must_use]
    pub fn list_range<B: ListRange>(self, backend: Arc<B>) -> Self {
        self.interface(list::range::interface(backend))
    }

    /// Serves single values within lists.
    #[must_use]
    pub fn list_indexing<B: ListIndexing>(self, backend: Arc<B>) -> Self {
        self.interface(list::indexing::interface(backend))
    }

    /// Serves batches of values.
    #[must_use]
    pub fn list_batch<B: ListBatch>(self, backend: Arc<B>) -> Self {
        self.interface(list::batch::interface(backend))
    }

    /// Serves pops that wait.
    #[must_use]
    pub fn list_blocking<B: ListBlocking>(self, backend: Arc<B>) -> Self {
        self.interface(list::blocking::interface(backend))
    }

    /// Serves values under leases.
    #[must_use]
    pub fn list_reserve<B: ListReserve>(self, backend: Arc<B>) -> Self {
        self.interface(list::reserve::interface(backend))
    }

    /// Serves scans of lists.
    #[must_use]
    pub fn list_scan<B: ListScan>(self, backend: Arc<B>) -> Self {
        self.interface(list::scan::interface(backend))
    }

    /// Serves copies of keys and lists.
    #[must_use]
    pub fn transfer<B: Transfer>(self, backend: Arc<B>) -> Self {
        self.interface(adapter::transfer::interface(backend))
    }

    /// Serves calls under idempotency keys; without this, they are refused.
    #[must_use]
    pub fn idempotent_retries<B: IdempotentRetries>(self, backend: Arc<B>) -> Self {
        Self { retries: Retries::of(backend), ..self }
    }

    /// Reports what the backend holds.
    #[must_use]
    pub fn usage<B: Usage>(self, backend: Arc<B>) -> Self {
        self.interface(adapter::usage::interface(backend))
    }

    /// Serves the plugin's own interface, described by an encoded file descriptor set.
    #[must_use]
    pub fn service<S: TonicService>(self, service: S, descriptors: &'static [u8]) -> Self {
        Self { services: self.services.add(service, descriptors), ..self }
    }

    /// The services, for calls within the process.
    #[must_use]
    pub fn embedded(self) -> Served {
        self.into_services().build()
    }

    pub(crate) fn into_services(self) -> Services {
        self.retries.heeded_by(self.services)
    }
}
