//! The addresses to which a backend makes a process connect.

use prism_plugin::driver::Drivers;
use prism_proxy::config::Place;
use prism_proxy::endpoint::Endpoint;

/// The endpoints of a backend, by their pointers within it: its own, or those in the options of its driver.
#[must_use]
pub fn of(place: &Place, drivers: &Drivers) -> Vec<(String, Endpoint)> {
    match place {
        Place::Remote(endpoint) => vec![("/endpoint".to_owned(), endpoint.clone())],
        Place::Embedded { driver, options } => {
            let endpoints = drivers.get(driver.as_str()).map(|driver| driver.endpoints(options));
            let parsed = endpoints.into_iter().flatten().filter_map(|endpoint| endpoint.parse().ok());
            parsed.map(|endpoint| ("/options".to_owned(), endpoint)).collect()
        }
    }
}
