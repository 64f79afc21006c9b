//! The store as a backend within another process.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use prism_grpc::service::Served;
use prism_plugin::KeyValue as _;
use prism_plugin::driver::{self, Data, Driver, Found, Instance, Mistake, Options, State, Take};
use serde::Deserialize;
use serde_json::Value;

use crate::app::plugin;
use crate::config::MemoryLimit;
use crate::store::MemStore;

/// Opens stores. Each has a memory limit of its own.
#[derive(Clone, Copy, Debug)]
pub struct MemStoreDriver {
    /// The memory limit of a store whose options have none.
    pub memory_limit: MemoryLimit,
}

/// The options as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    memory_limit: Option<Value>,
}

struct Store {
    store: MemStore,
    driver: MemStoreDriver,
}

impl MemStoreDriver {
    fn limit(self, options: &Options) -> Result<MemoryLimit, Vec<Mistake>> {
        let read = match driver::read::<Written>(options)?.memory_limit {
            None => Ok(self.memory_limit),
            Some(Value::String(text)) => text.parse(),
            Some(other) => other.to_string().parse(),
        };
        read.map_err(|why| vec![Mistake { field: "memory_limit".to_owned(), why }])
    }
}

impl Driver for MemStoreDriver {
    fn check(&self, options: &Options) -> Result<(), Vec<Mistake>> {
        self.limit(options).map(drop)
    }

    fn open(&self, options: &Options) -> Result<Arc<dyn Instance>, Vec<Mistake>> {
        let store = MemStore::new(self.limit(options)?.0);
        Ok(Arc::new(Store { store, driver: *self }))
    }

    fn probe(&self, options: &Options) -> BoxFuture<'static, Result<Found, String>> {
        let limit = self.limit(options);
        Box::pin(async move {
            let MemoryLimit(limit) = limit.map_err(|_| "the options are invalid".to_owned())?;
            let store = MemStore::new(limit);
            let capabilities = store.capabilities();
            let interfaces = driver::interfaces(&plugin(store).embedded());
            Ok(Found { facts: Vec::new(), interfaces, capabilities })
        })
    }
}

impl Instance for Store {
    fn served(&self) -> Served {
        plugin(self.store.clone()).embedded()
    }

    fn background(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.store.expiry().run(std::future::pending::<()>()))
    }

    fn take(&self, options: &Options) -> Option<Take> {
        let limit = self.driver.limit(options).ok()?;
        let store = self.store.clone();
        Some(Box::new(move || store.set_memory_limit(limit.0)))
    }

    fn state(&self) -> State {
        State::Ready
    }

    fn would_lose(&self) -> Option<Data> {
        let totals = self.store.totals();
        // A list whose values are all reserved is none, and would be lost all the same.
        let reserved = self.store.lists_with_leases();
        Some(Data { keys: totals.keys, lists: totals.lists.max(reserved) })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use prism_plugin::types::{Key, Namespace};
    use prism_plugin::{Context, ErrorReason};
    use serde_json::json;

    use super::*;

    const DRIVER: MemStoreDriver = MemStoreDriver { memory_limit: MemoryLimit(Some(1 << 20)) };

    fn options(value: Value) -> Options {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_limit_is_a_size_and_has_a_default() {
        let limit = |value: Value| DRIVER.limit(&options(value)).map(|limit| limit.0);
        assert_eq!(limit(json!({})), Ok(Some(1 << 20)));
        assert_eq!(limit(json!({ "memory_limit": "2MiB" })), Ok(Some(2 << 20)));
        assert_eq!(limit(json!({ "memory_limit": 4096 })), Ok(Some(4096)));
        assert_eq!(limit(json!({ "memory_limit": 0 })), Ok(None));
        for wrong in [json!("2MB"), json!(-1), json!(1.5), json!(true), json!([])] {
            let mistakes = DRIVER.check(&options(json!({ "memory_limit": wrong }))).unwrap_err();
            assert_eq!(mistakes[0].field, "memory_limit");
            assert!(mistakes[0].why.contains("expected bytes"), "{mistakes:?}");
        }
        assert!(DRIVER.check(&options(json!({ "limit": 1 }))).unwrap_err()[0].why.contains("`memory_limit`"));
    }

    #[tokio::test]
    async fn a_probe_finds_what_a_store_would_serve() {
        let found = DRIVER.probe(&Options::new()).await.unwrap();
        assert!(found.capabilities.in_memory && found.facts.is_empty(), "{found:?}");
        for interface in ["keyvalue.KeyValueBasicInterface", "list.ListBasicInterface"] {
            assert!(found.interfaces.contains(&format!("prism.interfaces.{interface}")), "{found:?}");
        }
        assert!(DRIVER.probe(&options(json!({ "memory_limit": "x" }))).await.is_err());
        assert!(DRIVER.endpoints(&Options::new()).is_empty());
    }

    #[tokio::test]
    async fn a_changed_limit_is_taken_with_the_data_in_place() {
        let store = Store { store: MemStore::new(Some(1 << 20)), driver: DRIVER };
        let set = |key: &str| {
            let (namespace, key) = (Namespace::new(String::new()).unwrap(), Key::stored(key.to_owned()));
            let store = store.store.clone();
            async move { store.set(&Context::default(), namespace, key, Bytes::from(vec![0; 1000]), None).await }
        };
        set("a").await.unwrap();
        let take = |limit: Value| store.take(&options(json!({ "memory_limit": limit }))).unwrap()();
        take(json!(1));
        assert_eq!(set("b").await.unwrap_err().reason, ErrorReason::MemoryLimit);
        take(json!(0));
        set("b").await.unwrap();
        assert_eq!(store.would_lose(), Some(Data { keys: 2, lists: 0 }));
        assert!(store.take(&options(json!({ "memory_limit": "x" }))).is_none());
    }
}
