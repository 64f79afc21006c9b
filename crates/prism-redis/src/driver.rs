//! The store as a backend within another process.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use prism_grpc::service::Served;
use prism_plugin::KeyValue as _;
use prism_plugin::driver::{self, Driver, Found, Instance, Mistake, Options, State, Take};

use crate::app::plugin;
use crate::config::{self, Layout};
use crate::state::State as Known;
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

    fn probe(&self, options: &Options) -> BoxFuture<'static, Result<Found, String>> {
        let settings = config::Options::read(options);
        Box::pin(async move {
            let store = open(settings.map_err(|_| "the options are invalid".to_owned())?);
            let facts = store.probe().await?.facts();
            let interfaces = driver::interfaces(&plugin(store.clone()).embedded());
            Ok(Found { facts, interfaces, capabilities: store.capabilities() })
        })
    }

    fn endpoints(&self, options: &Options) -> Vec<String> {
        let servers = config::Options::read(options).map(|settings| settings.servers).unwrap_or_default();
        servers.iter().map(ToString::to_string).collect()
    }

    fn is_for_one_namespace(&self, options: &Options) -> bool {
        config::Options::read(options).is_ok_and(|settings| settings.layout == Layout::Raw)
    }
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
    }
}
