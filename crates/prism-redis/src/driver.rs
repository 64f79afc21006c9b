//! The store as a backend within another process.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use prism_grpc::service::Served;
use prism_plugin::KeyValue as _;
use prism_plugin::driver::{self, Driver, Instance, Mistake, Options, State, Take};

use crate::app::plugin;
use crate::config::{self, Layout};
use crate::state::{Found, State as Known};
use crate::store::{RedisStore, open};

/// Opens stores. Opening connects to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct RedisDriver;

impl Driver for RedisDriver {
    fn check(&self, options: &Options) -> Result<(), Vec<Mistake>> {
        config::Options::read(options).map(drop)
    }

    fn open(&self, options: &Options) -> Result<Arc<dyn Instance>, Vec<Mistake>> {
        Ok(Arc::new(open(config::Options::read(options)?)))
    }

    fn probe(&self, options: &Options) -> BoxFuture<'static, Result<driver::Found, String>> {
        let settings = config::Options::read(options);
        async move {
            let wrong = |mistakes: Vec<Mistake>| {
                let words: Vec<_> = mistakes
                    .into_iter()
                    .map(|mistake| format!("{}: {}", mistake.field, mistake.why))
                    .collect();
                words.join("; ")
            };
            let store = open(settings.map_err(wrong)?);
            let found = store.probe().await?;
            Ok(driver::Found {
                facts: facts(&found),
                interfaces: driver::interfaces(&store.served()),
                capabilities: store.capabilities(),
            })
        }
        .boxed()
    }

    fn endpoints(&self, options: &Options) -> Vec<String> {
        let settings = config::Options::read(options);
        settings.map_or_else(|_| Vec::new(), |settings| settings.addresses())
    }

    fn files(&self, options: &Options) -> Vec<PathBuf> {
        let files = |settings: config::Settings| {
            let trusted = settings.tls.and_then(|tls| tls.options().ca_file.clone());
            settings.password_file.into_iter().chain(trusted)
        };
        config::Options::read(options).map(|settings| files(settings).collect()).unwrap_or_default()
    }

    fn is_for_one_namespace(&self, options: &Options) -> bool {
        config::Options::read(options).is_ok_and(|settings| settings.layout == Layout::Raw)
    }
}

/// What was found, by label.
fn facts(found: &Found) -> Vec<(&'static str, String)> {
    let bytes =
        |bytes: Option<u64>| bytes.map_or_else(|| "none".to_owned(), |bytes| format!("{bytes} bytes"));
    let policy = found.eviction_policy.clone().unwrap_or_else(|| "not readable by the user".to_owned());
    vec![
        ("server", format!("{} {}", found.product, found.version)),
        ("mode", found.mode.clone()),
        ("role", found.role.clone()),
        ("primaries", found.nodes.to_string()),
        ("replicas", found.replicas.to_string()),
        ("persistence", found.persistence.to_string()),
        ("eviction policy", policy),
        ("evicts keys", if found.evicts { "yes, when it is full" } else { "no" }.to_owned()),
        ("memory limit", bytes(found.memory_bytes_max)),
    ]
}

impl Instance for RedisStore {
    fn served(&self) -> Served {
        plugin(self.clone()).embedded()
    }

    fn background(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let store = self.clone();
        Box::pin(async move { store.watch(async |_| {}).await })
    }

    /// A changed password or certificate needs no changed options: their files are read at each connect. Everything else
    /// needs other connections, and so another store.
    fn take(&self, options: &Options) -> Option<Take> {
        let same = config::Options::read(options).is_ok_and(|settings| settings == *self.shared.settings);
        same.then(|| -> Take { Box::new(|| ()) })
    }

    fn state(&self) -> State {
        match RedisStore::state(self) {
            Known::NeverConnected => State::Idle,
            Known::Ready => State::Ready,
            Known::Failing { since, error } => State::Unreachable { error, since },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn opening_connects_to_nothing_and_wrong_options_are_refused() {
        let options = |value: serde_json::Value| serde_json::from_value::<Options>(value).unwrap();
        let good = options(json!({ "url": "redis://127.0.0.1:1" }));
        RedisDriver.check(&good).unwrap();
        let store = RedisDriver.open(&good).unwrap();
        assert_eq!(store.state(), State::Idle);
        assert!(store.take(&good).is_some(), "the same options need no other store");
        assert!(store.take(&options(json!({ "url": "redis://127.0.0.1:2" }))).is_none());
        let mistakes = RedisDriver.check(&options(json!({ "url": "redis://:hunter2@a" }))).unwrap_err();
        assert_eq!(mistakes[0].field, "url");
        assert!(RedisDriver.open(&options(json!({ "port": 1 }))).is_err());
        assert_eq!(RedisDriver.endpoints(&good), ["127.0.0.1:1"]);
        let why = RedisDriver.probe(&good).await.unwrap_err();
        assert!(why.contains("cannot connect to 127.0.0.1:1"), "{why}");
    }
}
