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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::future::BoxFuture;
    use prism_plugin::driver::{Driver, Found, Instance, Mistake, Options};

    use super::*;
    use crate::file::check;
    use crate::file::policy::Policy;

    /// Connects to what its option `urls` has.
    #[derive(Debug)]
    struct Far;

    impl Driver for Far {
        fn check(&self, _: &Options) -> Result<(), Vec<Mistake>> {
            Ok(())
        }

        fn open(&self, _: &Options) -> Result<Arc<dyn Instance>, Vec<Mistake>> {
            Err(Vec::new())
        }

        fn probe(&self, _: &Options) -> BoxFuture<'static, Result<Found, String>> {
            Box::pin(std::future::ready(Err("is far".to_owned())))
        }

        fn endpoints(&self, options: &Options) -> Vec<String> {
            let urls = options["urls"].as_array().into_iter().flatten();
            urls.filter_map(|url| url.as_str().map(str::to_owned)).collect()
        }
    }

    #[tokio::test]
    async fn the_addresses_in_options_are_judged_as_endpoints_are() {
        let far: Arc<dyn Driver> = Arc::new(Far);
        let drivers: Drivers = [("far", far)].into();
        let backend = |urls: &str| {
            let text = format!("{{name: a, embedded: far, options: {{urls: [{urls}]}}}}");
            check::backend(&serde_yaml::from_str(&text).unwrap(), &drivers)
        };
        let place = backend("'a.invalid:1', '169.254.169.254:80', 'unix:/run/x'").unwrap().place;
        let endpoints = of(&place, &drivers);
        let shown: Vec<_> = endpoints.iter().map(|(at, endpoint)| format!("{at} {endpoint}")).collect();
        assert_eq!(shown, ["/options a.invalid:1", "/options 169.254.169.254:80", "/options unix:/run/x"]);
        let refused = Policy::default().refusals(&endpoints).await;
        assert_eq!(refused.len(), 2, "{refused:?}");
        for unreadable in ["secret", "'http://:secret@a:1'", "'embedded:secret'"] {
            let wrong = backend(unreadable).unwrap_err();
            assert_eq!(wrong[0].pointer, "/options");
            assert!(!wrong[0].detail.contains("secret"), "{wrong:?}");
        }
    }
}
