//! What a backend makes a process reach: the addresses to which it connects, the files that it reads, and the folders that it writes.

use std::path::PathBuf;

use prism_net::tls::client::ClientOptions;
use prism_plugin::driver::Drivers;
use prism_proxy::config::{Backend, Place};
use prism_proxy::endpoint::Endpoint;

/// Something that a process reaches.
#[derive(Clone, Debug, PartialEq)]
pub enum Reach {
    /// It connects there.
    Endpoint(Endpoint),
    /// It reads a file, and may send the content to where the backend is: another place makes it another case.
    File(PathBuf, Place),
    /// It creates a store in a folder.
    Folder(PathBuf),
}

/// What a backend reaches, by pointers within it: its endpoint and the token for it, or what is in the options of its
/// driver.
#[must_use]
pub fn of(backend: &Backend, drivers: &Drivers) -> Vec<(String, Reach)> {
    let Backend { place, token_file, .. } = backend;
    let file = |path| Reach::File(path, place.clone());
    match place {
        Place::Remote { endpoint, tls } => {
            let token = token_file.clone().map(|path| ("/token_file".to_owned(), file(path)));
            let files = tls.iter().flat_map(ClientOptions::paths);
            let files = files.map(|path| ("/tls".to_owned(), file(path.to_owned())));
            let endpoint = ("/endpoint".to_owned(), Reach::Endpoint(endpoint.clone()));
            [endpoint].into_iter().chain(token).chain(files).collect()
        }
        Place::Embedded { driver, options } => {
            let Some(driver) = drivers.get(driver.as_str()) else { return Vec::new() };
            let endpoints =
                driver.endpoints(options).into_iter().filter_map(|endpoint| endpoint.parse().ok());
            let files = driver.files(options).into_iter().map(file);
            let folders = driver.folders(options).into_iter().map(Reach::Folder);
            let reached = endpoints.map(Reach::Endpoint).chain(files).chain(folders);
            reached.map(|reach| ("/options".to_owned(), reach)).collect()
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

        fn files(&self, _: &Options) -> Vec<PathBuf> {
            vec!["/etc/passwd".into()]
        }

        fn folders(&self, _: &Options) -> Vec<PathBuf> {
            vec!["/var/lib/store".into()]
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
        let far = backend("'a.invalid:1', '169.254.169.254:80', 'unix:/run/x'").unwrap();
        let reached = of(&far, &drivers);
        let shown: Vec<_> = reached
            .iter()
            .map(|(at, reach)| match reach {
                Reach::Endpoint(endpoint) => format!("{at} {endpoint}"),
                Reach::File(path, _) | Reach::Folder(path) => format!("{at} {}", path.display()),
            })
            .collect();
        let expected = ["a.invalid:1", "169.254.169.254:80", "unix:/run/x", "/etc/passwd", "/var/lib/store"];
        assert_eq!(shown, expected.map(|reached| format!("/options {reached}")));
        let refused = Policy::default().refusals(&reached).await;
        assert_eq!(refused.len(), 4, "{refused:?}");
        for unreadable in ["secret", "'http://:secret@a:1'", "'embedded:secret'"] {
            let wrong = backend(unreadable).unwrap_err();
            assert_eq!(wrong[0].pointer, "/options");
            assert!(!wrong[0].detail.contains("secret"), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn a_token_for_a_plugin_is_a_file_that_is_sent_there() {
        let text = "{name: a, endpoint: 'a.invalid:1', token_file: /etc/shadow}";
        let backend = check::backend(&serde_yaml::from_str(text).unwrap(), &Drivers::new()).unwrap();
        let refused = Policy::default().refusals(&of(&backend, &Drivers::new())).await;
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert_eq!(refused[0].pointer, "/token_file");
    }

    #[tokio::test]
    async fn each_file_of_tls_is_one_that_is_read() {
        let tls = "{ca_file: /etc/ca, certificate_file: /etc/certificate, key_file: /etc/shadow}";
        let text = format!("{{name: a, endpoint: 'a.invalid:1', tls: {tls}}}");
        let backend = check::backend(&serde_yaml::from_str(&text).unwrap(), &Drivers::new()).unwrap();
        let refused = Policy::default().refusals(&of(&backend, &Drivers::new())).await;
        assert_eq!(refused.iter().map(|error| &*error.pointer).collect::<Vec<_>>(), ["/tls"; 3]);
    }
}
