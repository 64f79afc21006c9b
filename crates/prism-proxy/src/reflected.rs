//! What the proxy's reflection describes: its own services, and the interfaces of the namespaces in force.
//!
//! A backend that has listed its interfaces has those. One that has not, because nobody has called it yet or it has no
//! reflection, and one that is itself a proxy, may serve any interface of the contract: calls are forwarded to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use prism_grpc::service::Services;
use prism_proto::methods;
use prism_runtime::reflection::{Catalog, Files, Fixed};
use rustc_hash::FxHashSet;

use crate::route::{Backend, Route};
use crate::shared::Shared;

/// See the module.
#[derive(Debug)]
pub(crate) struct Reflected {
    own: Fixed,
    contract: Files,
    shared: Arc<Shared>,
}

impl Reflected {
    /// `own`: the services that the proxy serves itself.
    pub(crate) fn new(own: &Services, shared: &Arc<Shared>) -> Self {
        let contract = Files::of_sets([&prism_proto::FILE_DESCRIPTOR_SET]);
        let contract = contract.expect("the descriptors were compiled in");
        Self { own: Fixed::of(own), contract, shared: Arc::clone(shared) }
    }
}

impl Catalog for Reflected {
    fn services(&self) -> BTreeSet<String> {
        let mut services = self.own.services();
        let table = self.shared.table();
        let mut seen = FxHashSet::default();
        for route in table.routes() {
            // Ten thousand namespaces often have a few backends: a question must not cost a walk over all interfaces of each.
            if !seen.insert((route.backend.address(), &route.settings.interfaces)) {
                continue;
            }
            each_interface(route, &mut |interface| {
                if !services.contains(interface) && route.check_interface(interface, false).is_ok() {
                    services.insert(interface.to_owned());
                }
            });
        }
        services
    }

    fn find(&self, find: &dyn Fn(&Files) -> Option<Bytes>) -> Option<Bytes> {
        let compiled_in = || self.own.find(find).or_else(|| find(&self.contract));
        compiled_in().or_else(|| {
            let table = self.shared.table();
            let embedded = || table.embedded().find_map(|embedded| embedded.find(find));
            let remote = || table.remotes().find_map(|remote| remote.discovered.find(find));
            embedded().or_else(remote)
        })
    }
}

/// Calls `add` for each interface that a namespace's backend may serve, possibly more than once.
fn each_interface(route: &Route, add: &mut dyn FnMut(&str)) {
    match &route.backend {
        Backend::Embedded(embedded) => {
            embedded.served.methods.keys().map(|path| methods::service_of(path)).for_each(add);
        }
        Backend::Remote(remote) => match remote.discovered.interfaces() {
            Some(interfaces) => interfaces.iter().for_each(|interface| add(interface)),
            None => methods::INTERFACES.iter().for_each(|interface| add(interface)),
        },
    }
}
