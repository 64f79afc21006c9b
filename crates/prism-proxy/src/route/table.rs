//! The table from a namespace to its backend and limits. It is built whole, swapped whole and never locked.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use prism_grpc::service::{self, Served};
use prism_proto::methods::{self, Method};
use prism_proto::{Error, limits, tells_of_the_backend};
use rustc_hash::FxHashMap;

use super::backend::{Backend, Remote};
use crate::config::{Config, Mistake, Namespace};
use crate::endpoint::Endpoint;
use crate::error;
use crate::limit::{Counts, InFlight};
use crate::traffic::Traffic;

/// The plugins that a process embeds, by the name that `embedded:NAME` uses.
pub type EmbeddedPlugins = HashMap<&'static str, Arc<Served>>;

/// All namespaces of one configuration.
#[derive(Debug, Default)]
pub struct RouteTable {
    /// The hash is fast and not keyed: clients' names are only looked up, never inserted.
    routes: FxHashMap<String, Arc<Route>>,
    remotes: HashMap<Endpoint, Arc<Remote>>,
    revision: Option<String>,
}

/// How to serve one namespace.
#[derive(Debug)]
pub struct Route {
    /// The namespace's settings in the configuration.
    pub settings: Namespace,
    /// What serves it.
    pub backend: Backend,
    /// The counters of its calls.
    pub traffic: Arc<Traffic>,
    counts: Arc<Counts>,
}

impl RouteTable {
    /// Builds the table of a configuration without contacting backends: an unreachable one is a state, not a mistake.
    /// Whatever is in `previous` and did not change is kept, with its connections and counters.
    ///
    /// # Errors
    /// Endpoints that name plugins that this process does not embed.
    pub fn build(config: Config, embedded: &EmbeddedPlugins, previous: &Self) -> Result<Self, Vec<Mistake>> {
        let mut table = Self { revision: config.revision, ..Self::default() };
        table.routes.reserve(config.namespaces.len());
        let mut mistakes = Vec::new();
        for (index, settings) in config.namespaces.into_iter().enumerate() {
            let before = previous.routes.get(&settings.name);
            let backend = match &settings.endpoint {
                Endpoint::Embedded(name) => match embedded.get(name.as_str()) {
                    Some(served) => Backend::Embedded(Arc::clone(served)),
                    None => {
                        mistakes.push(unknown_plugin(index, name, embedded.keys()));
                        continue;
                    }
                },
                endpoint => Backend::Remote(table.remote(endpoint, previous)),
            };
            let name = settings.name.clone();
            let route = match before {
                Some(route) if route.settings == settings => Arc::clone(route),
                _ => {
                    let counts = before.map(|route| Arc::clone(&route.counts)).unwrap_or_default();
                    let traffic = before.map(|route| Arc::clone(&route.traffic));
                    let traffic = traffic.unwrap_or_else(|| Traffic::of(&name));
                    Arc::new(Route { settings, backend, traffic, counts })
                }
            };
            table.routes.insert(name, route);
        }
        if mistakes.is_empty() { Ok(table) } else { Err(mistakes) }
    }

    fn remote(&mut self, endpoint: &Endpoint, previous: &Self) -> Arc<Remote> {
        if let Some(remote) = self.remotes.get(endpoint) {
            return Arc::clone(remote);
        }
        let before = previous.remotes.get(endpoint).cloned();
        let remote = before.unwrap_or_else(|| Arc::new(Remote::new(endpoint.clone())));
        self.remotes.insert(endpoint.clone(), Arc::clone(&remote));
        remote
    }

    /// The route of a namespace; the empty name means `default`.
    ///
    /// # Errors
    /// NAMESPACE_NOT_FOUND or NAMESPACE_INVALID.
    pub fn route(&self, namespace: &str) -> Result<Arc<Route>, Error> {
        let name = if namespace.is_empty() { limits::NAMESPACE_DEFAULT } else { namespace };
        self.routes.get(name).cloned().ok_or_else(|| error::namespace_not_found(name))
    }

    /// The number of namespaces.
    #[must_use]
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether the table has no namespaces.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// The SHA-256 of the configuration file; `None` without one.
    #[must_use]
    pub fn revision(&self) -> Option<&str> {
        self.revision.as_deref()
    }

    /// All routes, in no particular order.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.values().map(|route| &**route)
    }

    /// All backends behind connections, in no particular order.
    pub fn remotes(&self) -> impl Iterator<Item = &Remote> {
        self.remotes.values().map(|remote| &**remote)
    }
}

fn unknown_plugin<'a>(index: usize, name: &str, known: impl Iterator<Item = &'a &'static str>) -> Mistake {
    let known: Vec<_> = known.map(|name| format!("embedded:{name}")).collect();
    let known = if known.is_empty() { "no plugin".to_owned() } else { known.join(", ") };
    Mistake {
        field: format!("namespaces[{index}].plugin.endpoint"),
        why: format!("embedded:{name} is not in this program, which embeds {known}"),
        line: None,
    }
}

impl Route {
    /// Checks that the namespace serves an interface, by its full name.
    ///
    /// # Errors
    /// INTERFACE_NOT_SERVED: the settings exclude it, or the plugin's reflection does not list it.
    pub fn check_interface(&self, interface: &str) -> Result<(), Error> {
        if let Some(interfaces) = &self.settings.interfaces
            && !interfaces.iter().any(|served| served == interface)
            && !tells_of_the_backend(interface)
        {
            return Err(error::interface_not_served(
                &self.settings.name,
                interface,
                "its settings exclude it",
            ));
        }
        if let Backend::Remote(remote) = &self.backend
            && remote.discovered.lacks(interface)
        {
            let why = format!("the plugin at {} does not list it", remote.endpoint);
            return Err(error::interface_not_served(&self.settings.name, interface, &why));
        }
        Ok(())
    }

    /// What is known about a method: from the contract, otherwise from the plugin.
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

    /// Admits a call that the traffic already counts, if the settings and the namespace's share of the process allow
    /// it. The guard, if any, belongs to the call.
    ///
    /// # Errors
    /// READ_ONLY, RATE_LIMIT or TOO_MANY_IN_FLIGHT.
    pub fn admit(&self, method: Method, share: usize) -> Result<Option<InFlight>, Error> {
        let Namespace { name, in_flight_max, requests_per_second, read_only, .. } = &self.settings;
        if *read_only && !method.no_side_effects {
            return Err(error::read_only(name));
        }
        if let Some(per_second) = *requests_per_second {
            // The current time, not that of the call's head: the message may have taken a while.
            let passed = self.counts.pass(per_second, Instant::now());
            passed.map_err(|wait| error::rate_limit(name, per_second.get(), wait))?;
        }
        if usize::try_from(self.traffic.in_flight()).is_ok_and(|in_flight| in_flight > share) {
            return Err(error::too_many_in_flight(name, share));
        }
        let Some(max) = *in_flight_max else { return Ok(None) };
        let in_flight = self.counts.begin(max);
        in_flight.map(Some).ok_or_else(|| error::too_many_in_flight(name, max.get() as usize))
    }

    fn not_embedded(&self, served: &Served, path: &str) -> Error {
        let interface = methods::service_of(path);
        if served.methods.keys().any(|served| methods::service_of(served) == interface) {
            return service::unknown_method(path);
        }
        error::interface_not_served(&self.settings.name, interface, "the embedded plugin does not have it")
    }
}
