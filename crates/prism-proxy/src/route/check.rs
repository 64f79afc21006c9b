//! The rules of a configuration that only drivers know.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use prism_plugin::driver::{Driver, Drivers, Options};

use super::embedded::{Embedded, within};
use crate::config::{Backend, Config, Mistake, Place, Plugin};
use crate::endpoint::Endpoint;

/// A driver that a configuration names.
#[derive(Clone, Debug)]
pub struct Named<'a> {
    /// The driver's name.
    pub driver: &'a str,
    /// Its options; `None` for an endpoint, `embedded:DRIVER`, which has none.
    pub options: Option<&'a Options>,
    /// What names it: the path of a backend, or of an endpoint.
    pub field: String,
}

/// Checks which drivers a configuration names, and the options it gives them.
#[must_use]
pub fn check(config: &Config, drivers: &Drivers) -> Vec<Mistake> {
    let mistakes = |named: Named<'_>| match named.mistakes(drivers) {
        Some(mistakes) => mistakes,
        None => vec![unknown(drivers, named.driver, &named.place())],
    };
    let plugins = config.namespaces.iter().map(|namespace| Some(&namespace.plugin));
    let shared = shared(config.backends.iter(), plugins, drivers);
    named(config).flat_map(mistakes).chain(shared).collect()
}

/// Namespaces that share a backend which cannot keep them apart: `plugins` are what serves the namespaces, in their order.
#[must_use]
pub fn shared<'a>(
    backends: impl Iterator<Item = &'a Backend>,
    plugins: impl Iterator<Item = Option<&'a Plugin>>,
    drivers: &Drivers,
) -> Vec<Mistake> {
    let is_for_one = |backend: &&Backend| match &backend.place {
        Place::Embedded { driver, options } => {
            drivers.get(driver.as_str()).is_some_and(|driver| driver.is_for_one_namespace(options))
        }
        Place::Remote { .. } => false,
    };
    let for_one: HashSet<_> = backends.filter(is_for_one).map(|backend| backend.name.as_str()).collect();
    if for_one.is_empty() {
        return Vec::new();
    }
    let mut serves: HashMap<&str, usize> = HashMap::new();
    let mut mistakes = Vec::new();
    for (index, plugin) in plugins.enumerate() {
        let Some(Plugin::Backend(name)) = plugin else { continue };
        if !for_one.contains(name.as_str()) {
            continue;
        }
        if let Some(first) = serves.insert(name, index) {
            let why = format!(
                "{name:?} serves namespaces[{first}] already, and with its options it serves one only; expected another \
                 backend"
            );
            mistakes.push(Mistake { field: format!("namespaces[{index}].plugin.backend"), why, line: None });
        }
    }
    mistakes
}

/// Every driver that a configuration names.
pub fn named(config: &Config) -> impl Iterator<Item = Named<'_>> {
    let backends = config.backends.iter().enumerate().filter_map(|(index, backend)| match &backend.place {
        Place::Embedded { driver, options } => {
            Some(Named { driver, options: Some(options), field: format!("backends[{index}]") })
        }
        Place::Remote { .. } => None,
    });
    let endpoints = config.namespaces.iter().enumerate().filter_map(|(index, namespace)| {
        let Plugin::Endpoint(Endpoint::Embedded(driver)) = &namespace.plugin else { return None };
        Some(Named { driver, options: None, field: format!("namespaces[{index}].plugin.endpoint") })
    });
    backends.chain(endpoints)
}

impl Named<'_> {
    /// What the driver finds wrong; `None` if it is not among these.
    #[must_use]
    pub fn mistakes(&self, drivers: &Drivers) -> Option<Vec<Mistake>> {
        let driver = drivers.get(self.driver)?;
        let Some(options) = self.options else { return Some(self.needs(&**driver)) };
        let wrong = driver.check(options).err().unwrap_or_default();
        Some(within(&format!("{}.options", self.field), wrong))
    }

    /// The path of the driver's name.
    fn place(&self) -> String {
        if self.options.is_some() { format!("{}.embedded", self.field) } else { self.field.clone() }
    }

    /// What the driver cannot do without, such as an address.
    fn needs(&self, driver: &dyn Driver) -> Vec<Mistake> {
        let wrong = driver.check(&Options::new()).err().unwrap_or_default();
        let needs = |mistake: prism_plugin::driver::Mistake| {
            let why = format!(
                "embedded:{} has no options, and needs {} ({}); expected `backend: NAME` of one in the list `backends`",
                self.driver, mistake.field, mistake.why
            );
            Mistake { field: self.field.clone(), why, line: None }
        };
        wrong.into_iter().map(needs).collect()
    }
}

/// Opens a backend.
///
/// # Errors
/// The driver is unknown, or finds the options wrong.
pub(super) fn opened(
    drivers: &Drivers,
    name: &str,
    options: &Options,
    field: &str,
) -> Result<Embedded, Vec<Mistake>> {
    let driver = driver(drivers, name, field).map_err(|mistake| vec![mistake])?;
    Embedded::open((name, &**driver), options, field)
}

fn driver<'a>(drivers: &'a Drivers, name: &str, field: &str) -> Result<&'a Arc<dyn Driver>, Mistake> {
    drivers.get(name).ok_or_else(|| unknown(drivers, name, field))
}

fn unknown(drivers: &Drivers, name: &str, field: &str) -> Mistake {
    let known: Vec<_> = drivers.keys().copied().collect();
    let known = if known.is_empty() { "no driver".to_owned() } else { known.join(", ") };
    let why = format!("the driver {name:?} is not in this program; expected {known}");
    Mistake { field: field.to_owned(), why, line: None }
}
