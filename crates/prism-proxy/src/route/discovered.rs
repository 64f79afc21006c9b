//! What is known about a backend through its reflection: the interfaces it serves, and the kinds of their methods.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use prism_proto::methods::{Method, Methods};
use prism_runtime::reflection::Files;
use rustc_hash::FxHashSet;

/// What is known about a backend so far.
#[derive(Debug, Default)]
pub struct Discovered {
    found: ArcSwapOption<Found>,
    asking: AtomicBool,
    is_plugin: AtomicBool,
}

#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) interfaces: FxHashSet<String>,
    pub(crate) methods: Methods,
    /// The files that describe those of its interfaces that are not the contract's.
    pub(crate) files: Files,
    /// Whether it is a proxy: what it serves depends on the namespace.
    pub(crate) is_proxy: bool,
}

impl Discovered {
    /// Whether the backend has listed its interfaces without this one.
    #[must_use]
    pub fn lacks(&self, interface: &str) -> bool {
        let lacks = |found: &Arc<Found>| !found.is_proxy && !found.interfaces.contains(interface);
        self.found.load().as_ref().is_some_and(lacks)
    }

    /// The interfaces that the backend has listed, in order; `None` if it has not responded.
    #[must_use]
    pub fn interfaces(&self) -> Option<Vec<String>> {
        let found = self.found.load();
        let found = found.as_ref().filter(|found| !found.is_proxy)?;
        let mut interfaces: Vec<_> = found.interfaces.iter().cloned().collect();
        interfaces.sort();
        Some(interfaces)
    }

    /// What the backend reports about a method, given by its path.
    #[must_use]
    pub fn method(&self, path: &str) -> Option<Method> {
        self.found.load().as_ref().and_then(|found| found.methods.get(path).copied())
    }

    /// The first result of `find` in the files of the backend's own interfaces.
    pub(crate) fn find(&self, find: &dyn Fn(&Files) -> Option<Bytes>) -> Option<Bytes> {
        self.found.load().as_ref().and_then(|found| find(&found.files))
    }

    /// Whether nobody is querying the backend yet; if so, the caller must query it and [`note`](Self::note) the result.
    pub(crate) fn begin_asking(&self) -> bool {
        !self.asking.swap(true, Ordering::Relaxed)
    }

    /// Whether it may be a proxy, or lead to one: it is known to be, or has not responded.
    #[must_use]
    pub fn may_be_proxy(&self) -> bool {
        !self.is_plugin.load(Ordering::Relaxed)
    }

    /// Records the backend's response; `None` if it has none.
    pub(crate) fn note(&self, found: Option<Found>) {
        let is_plugin = found.as_ref().is_some_and(|found| !found.is_proxy);
        self.is_plugin.store(is_plugin, Ordering::Relaxed);
        self.found.store(found.map(Arc::new));
        self.asking.store(false, Ordering::Relaxed);
    }
}
