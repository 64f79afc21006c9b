//! The rules of a configuration that only drivers know.

use std::sync::Arc;

use prism_plugin::driver::{Driver, Drivers, Options};

use super::embedded::{Embedded, within};
use crate::config::{Config, Mistake, Place, Plugin};
use crate::endpoint::Endpoint;

/// Checks which drivers a configuration names, and the options it gives them.
#[must_use]
pub fn check(config: &Config, drivers: &Drivers) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (index, backend) in config.backends.iter().enumerate() {
        let Place::Embedded { driver: name, options } = &backend.place else { continue };
        match driver(drivers, name, &format!("backends[{index}].embedded")) {
            Err(mistake) => mistakes.push(mistake),
            Ok(driver) => {
                let wrong = driver.check(options).err().unwrap_or_default();
                mistakes.extend(within(&format!("backends[{index}].options"), wrong));
            }
        }
    }
    for (index, namespace) in config.namespaces.iter().enumerate() {
        let Plugin::Endpoint(Endpoint::Embedded(name)) = &namespace.plugin else { continue };
        let field = format!("namespaces[{index}].plugin.endpoint");
        match driver(drivers, name, &field) {
            Err(mistake) => mistakes.push(mistake),
            // Some cannot do without options, such as an address.
            Ok(driver) => {
                let wrong = driver.check(&Options::new()).err().unwrap_or_default();
                let needs = |mistake: Mistake| {
                    let option = mistake.field.strip_prefix(&field).unwrap_or_default().to_owned();
                    let option = option.trim_start_matches('.');
                    let why = format!(
                        "embedded:{name} has no options, and needs {option} ({}); expected `backend: NAME` of one in \
                         the list `backends`",
                        mistake.why
                    );
                    Mistake { field: field.clone(), why, line: None }
                };
                mistakes.extend(within(&field, wrong).into_iter().map(needs));
            }
        }
    }
    mistakes
}

/// Opens a backend.
///
/// # Errors
/// The driver is unknown, or finds the options wrong.
pub(super) fn opened(
    drivers: &Drivers,
    label: &str,
    name: &str,
    options: &Options,
    field: &str,
) -> Result<Embedded, Vec<Mistake>> {
    let driver = driver(drivers, name, field).map_err(|mistake| vec![mistake])?;
    Embedded::open(label, (name, &**driver), options, field)
}

fn driver<'a>(drivers: &'a Drivers, name: &str, field: &str) -> Result<&'a Arc<dyn Driver>, Mistake> {
    drivers.get(name).ok_or_else(|| {
        let known: Vec<_> = drivers.keys().copied().collect();
        let known = if known.is_empty() { "no driver".to_owned() } else { known.join(", ") };
        Mistake {
            field: field.to_owned(),
            why: format!("the driver {name:?} is not in this program; expected {known}"),
            line: None,
        }
    })
}
