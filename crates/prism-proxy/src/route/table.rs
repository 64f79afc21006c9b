//! The table from a namespace to its backend and limits. It is built whole, swapped whole and never locked.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use prism_auth::{FileError, Identity, OwnToken, Rights};
use prism_grpc::service::{self, Served};
use prism_net::tls::client::{ClientOptions, Connector};
use prism_plugin::driver::{Drivers, Options, Take};
use prism_proto::methods::{self, Method};
use prism_proto::{Error, limits, tells_of_the_backend};
use rustc_hash::FxHashMap;

use super::backend::{Backend, Remote};
use super::check::{check, opened};
use super::embedded::Embedded;
use super::gate::Gate;
use super::secured::connectors;
use crate::config::{Config, Mistake, Namespace, Place, Plugin};
use crate::endpoint::Endpoint;
use crate::error::{self, BackendName};
use crate::limit::{Counts, InFlight};
use crate::traffic::Traffic;

/// All namespaces of one configuration.
#[derive(Debug, Default)]
pub struct RouteTable {
    /// The hash is fast and not keyed: clients' names are only looked up, never inserted.
    routes: FxHashMap<String, Arc<Route>>,
    backends: HashMap<Plugin, Known>,
    gate: Gate,
    revision: Option<String>,
}

/// A backend of the table.
#[derive(Clone, Debug)]
struct Known {
    backend: Backend,
    /// The options in force, of a backend in this process.
    options: Options,
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
    /// Who may call; `None` for everybody.
    access: Option<FxHashMap<Identity, Rights>>,
}

impl RouteTable {
    /// Builds the table of a configuration without contacting backends: an unreachable one is a state, not a mistake.
    /// Whatever is in `previous` and did not change is kept, with its connections, data and counters. Must be called
    /// within a runtime, which runs the background work of embedded backends.
    ///
    /// # Errors
    /// Every mistake that only drivers find, or a file of TLS or of credentials that cannot be used. Nothing has changed in
    /// that case.
    pub fn build(config: Config, drivers: &Drivers, previous: &Self) -> Result<Self, Vec<Mistake>> {
        let mut mistakes = check(&config, drivers);
        let connectors = connectors(&config, |name, options| previous.connector(name, options));
        let mut connectors = connectors.unwrap_or_else(|found| {
            mistakes.extend(found);
            HashMap::new()
        });
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let gate = Gate::open(&config.callers, &config.namespaces, &previous.gate)?;
        let mut table = Self { gate, revision: config.revision, ..Self::default() };
        // A backend in this process without a name stays until the process ends, so that a namespace that is removed and
        // created again finds its data.
        let stays = |(plugin, _): &(&Plugin, _)| matches!(plugin, Plugin::Endpoint(Endpoint::Embedded(_)));
        let staying = previous.backends.iter().filter(stays);
        table.backends.extend(staying.map(|(plugin, known)| (plugin.clone(), known.clone())));
        let mut takes = Vec::new();
        for (index, named) in config.backends.into_iter().enumerate() {
            let plugin = Plugin::Backend(named.name);
            let before = previous.backends.get(&plugin);
            let known = match named.place {
                Place::Remote { endpoint, .. } => {
                    let (tls, token) = (connectors.remove(&index), named.token_file.as_deref());
                    Known::remote(&endpoint, tls, token, before).map_err(|error| {
                        let field = format!("backends[{index}].token_file");
                        vec![Mistake { field, why: error.to_string(), line: None }]
                    })?
                }
                Place::Embedded { driver, options } => {
                    let field = || format!("backends[{index}].options");
                    match before.and_then(|known| known.taking(&driver, &options, &mut takes)) {
                        Some(kept) => kept,
                        None => Known::opened(drivers, &driver, options, &field())?,
                    }
                }
            };
            table.backends.insert(plugin, known);
        }
        table.routes.reserve(config.namespaces.len());
        for (index, settings) in config.namespaces.into_iter().enumerate() {
            let plugin = &settings.plugin;
            if let (Plugin::Endpoint(endpoint), false) = (plugin, table.backends.contains_key(plugin)) {
                let known = match endpoint {
                    Endpoint::Embedded(driver) => {
                        let field = format!("namespaces[{index}].plugin.endpoint");
                        Known::opened(drivers, driver, Options::new(), &field)?
                    }
                    endpoint => Known::plain(endpoint, previous.backends.get(plugin)),
                };
                table.backends.insert(plugin.clone(), known);
            }
            let Some(Known { backend, .. }) = table.backends.get(plugin) else { continue };
            let backend = backend.clone();
            let before = previous.routes.get(&settings.name);
            let name = settings.name.clone();
            let route = match before {
                Some(route) if route.settings == settings && route.backend.address() == backend.address() => {
                    Arc::clone(route)
                }
                _ => {
                    let counts = before.map(|route| Arc::clone(&route.counts)).unwrap_or_default();
                    let traffic = before.map(|route| Arc::clone(&route.traffic));
                    let traffic = traffic.unwrap_or_else(|| Traffic::of(&name));
                    let access = settings
                        .access
                        .as_ref()
                        .map(|list| list.iter().map(|entry| (entry.caller.clone(), entry.rights)).collect());
                    Arc::new(Route { settings, backend, traffic, counts, access })
                }
            };
            table.routes.insert(name, route);
        }
        // Nothing can fail any more.
        takes.into_iter().for_each(|take| take());
        Ok(table)
    }

    /// The route of a namespace; the empty name means `default`.
    ///
    /// # Errors
    /// NAMESPACE_NOT_FOUND or NAMESPACE_INVALID.
    pub fn route(&self, namespace: &str) -> Result<Arc<Route>, Error> {
        let name = if namespace.is_empty() { limits::NAMESPACE_DEFAULT } else { namespace };
        self.routes.get(name).cloned().ok_or_else(|| error::namespace_not_found(name))
    }

    /// How the backend of this name is connected to, if it is with these options.
    fn connector(&self, name: &str, options: &ClientOptions) -> Option<&Connector> {
        let Backend::Remote(remote) = &self.backends.get(&Plugin::Backend(name.to_owned()))?.backend else {
            return None;
        };
        remote.tls.as_ref().filter(|connector| connector.options() == options)
    }

    /// Checks that a caller may call a method of a namespace, before anything else about the namespace is looked at. One
    /// that does not exist is like one that is not the caller's.
    ///
    /// # Errors
    /// TOKEN_INVALID or PERMISSION_DENIED.
    pub fn authorize(&self, namespace: &str, path: &str, caller: Option<&Identity>) -> Result<(), Error> {
        if !self.gate.is_guarded() {
            return Ok(());
        }
        let name = if namespace.is_empty() { limits::NAMESPACE_DEFAULT } else { namespace };
        let is_allowed = match self.routes.get(name) {
            Some(route) => route.allows(caller, path),
            // It cannot exist, which tells nobody anything.
            None => !limits::is_namespace(name),
        };
        if is_allowed { Ok(()) } else { Err(error::denied(caller)) }
    }

    /// Who may call.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Reads the files of credentials that have changed. Blocks.
    pub fn refresh_credentials(&self) {
        self.gate.authenticator().into_iter().for_each(|authenticator| authenticator.refresh());
        self.remotes().filter_map(|remote| remote.token.as_ref()).for_each(OwnToken::refresh);
    }

    /// Whether the last attempt to read each file of credentials succeeded.
    #[must_use]
    pub fn credentials_applied(&self) -> bool {
        let mut tokens = self.remotes().filter_map(|remote| remote.token.as_ref());
        self.gate.authenticator().is_none_or(|authenticator| authenticator.is_applied())
            && tokens.all(OwnToken::is_applied)
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

    /// All backends, in no particular order.
    pub fn backends(&self) -> impl Iterator<Item = (&Plugin, &Backend)> {
        self.backends.iter().map(|(plugin, known)| (plugin, &known.backend))
    }

    /// All backends in this process, in no particular order.
    pub fn embedded(&self) -> impl Iterator<Item = &Embedded> {
        self.backends().filter_map(|(_, backend)| match backend {
            Backend::Embedded(embedded) => Some(&**embedded),
            Backend::Remote(_) => None,
        })
    }

    /// All backends behind connections, in no particular order.
    pub fn remotes(&self) -> impl Iterator<Item = &Remote> {
        self.backends().filter_map(|(_, backend)| match backend {
            Backend::Embedded(_) => None,
            Backend::Remote(remote) => Some(&**remote),
        })
    }
}

impl Known {
    /// The backend of before, if it is reached in the same way, or a new one. Each worker connects to it when a call needs
    /// it.
    fn remote(
        endpoint: &Endpoint,
        tls: Option<Connector>,
        token: Option<&Path>,
        before: Option<&Self>,
    ) -> Result<Self, FileError> {
        if let Some(kept) = before.and_then(|known| known.reaching(endpoint, tls.as_ref(), token)) {
            return Ok(kept);
        }
        let token = token.map(OwnToken::open).transpose()?;
        Ok(Self::reached(Remote::new(endpoint.clone(), tls, token)))
    }

    /// The same for a backend without a name, which has neither TLS nor a token.
    fn plain(endpoint: &Endpoint, before: Option<&Self>) -> Self {
        let kept = before.and_then(|known| known.reaching(endpoint, None, None));
        kept.unwrap_or_else(|| Self::reached(Remote::new(endpoint.clone(), None, None)))
    }

    fn reached(remote: Remote) -> Self {
        Self { backend: Backend::Remote(Arc::new(remote)), options: Options::new() }
    }

    /// The same backend, if it is reached in this way.
    fn reaching(&self, endpoint: &Endpoint, tls: Option<&Connector>, token: Option<&Path>) -> Option<Self> {
        let Backend::Remote(remote) = &self.backend else { return None };
        let is_same = remote.endpoint == *endpoint
            && remote.tls.as_ref().map(Connector::options) == tls.map(Connector::options)
            && remote.token.as_ref().map(OwnToken::path) == token;
        is_same.then(|| Self { backend: self.backend.clone(), options: Options::new() })
    }

    fn opened(drivers: &Drivers, driver: &str, options: Options, field: &str) -> Result<Self, Vec<Mistake>> {
        let embedded = opened(drivers, driver, &options, field)?;
        Ok(Self { backend: Backend::Embedded(Arc::new(embedded)), options })
    }

    /// The same backend with other options; `None` if another must be opened. What gives it the options is added to
    /// `takes`.
    fn taking(&self, driver: &str, options: &Options, takes: &mut Vec<Take>) -> Option<Self> {
        let Backend::Embedded(embedded) = &self.backend else { return None };
        if embedded.driver != driver {
            return None;
        }
        if self.options != *options {
            takes.push(embedded.take(options)?);
        }
        Some(Self { backend: self.backend.clone(), options: options.clone() })
    }
}

impl Route {
    /// Checks that the namespace serves an interface, by its full name.
    ///
    /// # Errors
    /// INTERFACE_NOT_SERVED: the settings exclude it, or the plugin's reflection does not list it. With `shows_backend`, it
    /// says where that is.
    pub fn check_interface(&self, interface: &str, shows_backend: bool) -> Result<(), Error> {
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
            let plugin = BackendName::of(&remote.endpoint, shows_backend);
            let why = format!("{plugin} does not list it");
            return Err(error::interface_not_served(&self.settings.name, interface, &why));
        }
        Ok(())
    }

    /// Whether a caller has the right to call a method: `read` for one without side effects, `write` for another, both for
    /// one that nobody describes.
    fn allows(&self, caller: Option<&Identity>, path: &str) -> bool {
        let Some(access) = &self.access else { return true };
        let Some(rights) = caller.and_then(|caller| access.get(caller)) else { return false };
        let method = self.method(path).unwrap_or(Method::UNKNOWN);
        let reads = method.no_side_effects || !method.is_described;
        rights.include(Rights { read: reads, write: !method.no_side_effects })
    }

    /// What is known about a method: from the contract, otherwise from the plugin.
    ///
    /// # Errors
    /// INTERFACE_NOT_SERVED or METHOD_UNKNOWN: an embedded backend does not have it.
    pub fn method(&self, path: &str) -> Result<Method, Error> {
        match &self.backend {
            Backend::Embedded(embedded) => {
                let served = &embedded.served;
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
        error::interface_not_served(&self.settings.name, interface, "the backend does not have it")
    }
}
