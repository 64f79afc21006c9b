//! The table from a namespace to its backend and limits. It is built whole, swapped whole and never locked.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prism_proto::Error;
use prism_proto::limits;
use prism_proto::methods::{self, Method};
use prism_runtime::service::{self, Served};
use rustc_hash::FxHashMap;

use crate::config::{Config, Mistake};
use crate::discovery::Discovered;
use crate::endpoint::Endpoint;
use crate::error;

/// The plugins that a process embeds, by the name that `embedded:NAME` uses.
pub type EmbeddedPlugins = HashMap<&'static str, Served>;

/// All namespaces of one configuration.
#[derive(Debug, Default)]
pub struct RouteTable {
    /// The hash is fast and not keyed: what clients ask for is looked up and never inserted.
    routes: FxHashMap<String, Arc<Route>>,
    revision: String,
}

/// How to serve one namespace.
#[derive(Debug)]
pub struct Route {
    /// Its name.
    pub namespace: String,
    /// What serves it.
    pub backend: Backend,
    /// How long a unary call without a deadline of its own may take.
    pub timeout: Duration,
    /// The largest message that a client may send.
    pub message_bytes_max: usize,
    interfaces: Option<Vec<String>>,
}

/// What serves a namespace.
#[derive(Clone)]
pub enum Backend {
    /// A plugin in this process.
    Embedded(Arc<Served>),
    /// A plugin behind a connection.
    Remote(Arc<Remote>),
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(_) => f.write_str("Embedded"),
            Self::Remote(remote) => write!(f, "Remote({})", remote.endpoint),
        }
    }
}

/// A plugin behind a connection. Namespaces with the same endpoint share it, and each worker has its own connections
/// to it.
#[derive(Debug)]
pub struct Remote {
    /// Where it is.
    pub endpoint: Endpoint,
    /// What its reflection told.
    pub discovered: Discovered,
}

impl RouteTable {
    /// Builds the table of a configuration. Backends are not contacted: a dead one is a state, not a mistake.
    ///
    /// # Errors
    /// Endpoints that name plugins which this process does not embed.
    pub fn build(config: &Config, embedded: &EmbeddedPlugins) -> Result<Self, Vec<Mistake>> {
        let embedded: HashMap<_, _> =
            embedded.iter().map(|(name, served)| (*name, Arc::new(served.clone()))).collect();
        let mut remotes: HashMap<&Endpoint, Arc<Remote>> = HashMap::new();
        let mut routes = FxHashMap::default();
        routes.reserve(config.namespaces.len());
        let mut mistakes = Vec::new();
        for (index, namespace) in config.namespaces.iter().enumerate() {
            let backend = match &namespace.endpoint {
                Endpoint::Embedded(name) => match embedded.get(name.as_str()) {
                    Some(served) => Backend::Embedded(Arc::clone(served)),
                    None => {
                        mistakes.push(unknown_plugin(index, name, embedded.keys()));
                        continue;
                    }
                },
                endpoint => Backend::Remote(Arc::clone(remotes.entry(endpoint).or_insert_with(|| {
                    Arc::new(Remote { endpoint: endpoint.clone(), discovered: Discovered::default() })
                }))),
            };
            let route = Route {
                namespace: namespace.name.clone(),
                backend,
                timeout: namespace.timeout,
                message_bytes_max: namespace.message_bytes_max,
                interfaces: namespace.interfaces.clone(),
            };
            routes.insert(namespace.name.clone(), Arc::new(route));
        }
        if mistakes.is_empty() {
            Ok(Self { routes, revision: config.revision.clone() })
        } else {
            Err(mistakes)
        }
    }

    /// The route of a namespace; the empty name means `default`.
    ///
    /// # Errors
    /// NAMESPACE_NOT_FOUND or NAMESPACE_INVALID.
    pub fn route(&self, namespace: &str) -> Result<Arc<Route>, Error> {
        let name = if namespace.is_empty() { limits::NAMESPACE_DEFAULT } else { namespace };
        self.routes.get(name).cloned().ok_or_else(|| error::namespace_not_found(name))
    }

    /// How many namespaces there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// The SHA-256 of the configuration file; empty without one.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.revision
    }
}

fn unknown_plugin<'a>(index: usize, name: &str, known: impl Iterator<Item = &'a &'static str>) -> Mistake {
    let known: Vec<_> = known.map(|name| format!("embedded:{name}")).collect();
    let known = if known.is_empty() { "no plugin".to_owned() } else { known.join(", ") };
    Mistake {
        field: format!("namespaces[{index}].plugin.endpoint"),
        why: format!("embedded:{name} is not in this program, which embeds {known}"),
    }
}

impl Route {
    /// Checks that the namespace serves an interface, by its full name.
    ///
    /// # Errors
    /// INTERFACE_NOT_SERVED: the settings leave it out, or the plugin's reflection does not list it.
    pub fn check_interface(&self, interface: &str) -> Result<(), Error> {
        if let Some(interfaces) = &self.interfaces
            && !interfaces.iter().any(|served| served == interface)
        {
            return Err(error::interface_not_served(&self.namespace, interface, "its settings leave it out"));
        }
        if let Backend::Remote(remote) = &self.backend
            && remote.discovered.lacks(interface)
        {
            let why = format!("the plugin at {} does not list it", remote.endpoint);
            return Err(error::interface_not_served(&self.namespace, interface, &why));
        }
        Ok(())
    }

    /// What is known of a method: from the contract, else from the plugin.
    ///
    /// # Errors
    /// INTERFACE_NOT_SERVED or METHOD_UNKNOWN: an embedded plugin does not have it.
    pub fn method(&self, path: &str) -> Result<Method, Error> {
        match &self.backend {
            Backend::Embedded(served) => {
                served.methods.get(path).copied().ok_or_else(|| self.not_embedded(served, path))
            }
            Backend::Remote(remote) => {
                let known = methods::KNOWN.get(path).copied();
                Ok(known.or_else(|| remote.discovered.method(path)).unwrap_or(Method::UNKNOWN))
            }
        }
    }

    fn not_embedded(&self, served: &Served, path: &str) -> Error {
        let interface_of = |path: &str| path.trim_start_matches('/').split('/').next().map(str::to_owned);
        let interface = interface_of(path);
        if served.methods.keys().any(|served| interface_of(served) == interface) {
            return service::unknown_method(path);
        }
        let interface = interface.unwrap_or_default();
        error::interface_not_served(&self.namespace, &interface, "the embedded plugin does not have it")
    }
}
