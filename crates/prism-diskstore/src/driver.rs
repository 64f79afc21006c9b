//! The store as a backend within another process.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use prism_grpc::service::Served;
use prism_plugin::driver::{Driver, Figure, Found, Instance, Mistake, Options, State, Take};
use tokio::task::spawn_blocking;

use crate::app::plugin;
use crate::config::{Durability, Settings};
use crate::folder::{is_store, room};
use crate::keyvalue::promises;
use crate::metrics;
use crate::state;
use crate::store::DiskStore;

/// Opens stores.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskStoreDriver;

/// The interfaces of a store, which a probe names without opening one.
const INTERFACES: [&str; 16] = [
    "prism.interfaces.capabilities.CapabilitiesInterface",
    "prism.interfaces.keyvalue.KeyValueBasicInterface",
    "prism.interfaces.keyvalue.KeyValueBatchInterface",
    "prism.interfaces.keyvalue.KeyValueCasInterface",
    "prism.interfaces.keyvalue.KeyValueCounterInterface",
    "prism.interfaces.keyvalue.KeyValueScanInterface",
    "prism.interfaces.keyvalue.KeyValueTtlInterface",
    "prism.interfaces.list.ListBasicInterface",
    "prism.interfaces.list.ListBatchInterface",
    "prism.interfaces.list.ListBlockingInterface",
    "prism.interfaces.list.ListIndexingInterface",
    "prism.interfaces.list.ListRangeInterface",
    "prism.interfaces.list.ListReserveInterface",
    "prism.interfaces.list.ListScanInterface",
    "prism.interfaces.transfer.TransferInterface",
    "prism.interfaces.usage.UsageInterface",
];

struct Store {
    store: DiskStore,
    path: PathBuf,
}

impl Driver for DiskStoreDriver {
    fn check(&self, options: &Options) -> Result<(), Vec<Mistake>> {
        Settings::read(options).map(drop)
    }

    fn open(&self, options: &Options) -> Result<Arc<dyn Instance>, Vec<Mistake>> {
        let settings = Settings::read(options)?;
        let wrong = |why| vec![Mistake { field: "path".to_owned(), why }];
        let store = DiskStore::open(&settings).map_err(wrong)?;
        Ok(Arc::new(Store { store, path: settings.path }))
    }

    /// Looks at the folder without opening the store: a proxy may have it open.
    fn probe(&self, options: &Options) -> BoxFuture<'static, Result<Found, String>> {
        let settings = Settings::read(options);
        async move {
            let settings = settings.map_err(|_| "the options are invalid".to_owned())?;
            Ok(Found {
                facts: facts(&settings)?,
                interfaces: INTERFACES.map(str::to_owned).into(),
                capabilities: promises(settings.live.durability),
            })
        }
        .boxed()
    }

    fn folders(&self, options: &Options) -> Vec<PathBuf> {
        Settings::read(options).map(|settings| settings.path).into_iter().collect()
    }
}

fn facts(settings: &Settings) -> Result<Vec<(&'static str, String)>, String> {
    let path = &settings.path;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let at = if path.exists() { path.as_path() } else { parent };
    let (free, all) =
        room(at).map_err(|error| format!("cannot read the disk of {}: {error}", path.display()))?;
    Ok(vec![
        ("folder", if is_store(path)? { "a store" } else { "becomes a new store" }.to_owned()),
        ("disk", format!("{free} of {all} bytes free")),
        ("can lose", can_lose(settings.live.durability).to_owned()),
    ])
}

/// What a durability can lose, in one sentence.
#[must_use]
pub fn can_lose(durability: Durability) -> &'static str {
    match durability {
        Durability::EveryWrite => "nothing that was acknowledged",
        Durability::Periodic => {
            "by a power loss, what was acknowledged in the last second; by kill -9, nothing"
        }
        Durability::Never => {
            "by a power loss, what the system had not written yet, about 30 s; by kill -9, nothing"
        }
    }
}

impl Instance for Store {
    fn served(&self) -> Served {
        plugin(self.store.clone()).embedded()
    }

    /// Everything but the path changes while it serves; the size of the engine's part of the cache when it is opened again.
    fn take(&self, options: &Options) -> Option<Take> {
        let settings = Settings::read(options).ok().filter(|settings| settings.path == self.path)?;
        let store = self.store.clone();
        Some(Box::new(move || store.set(settings.live)))
    }

    fn state(&self) -> State {
        match self.store.state() {
            state::State::Ready => State::Ready,
            state::State::Healing { error, since } | state::State::Failed { error, since } => {
                State::Unreachable { error, since }
            }
        }
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let store = self.store.clone();
        Box::pin(spawn_blocking(move || store.close()).map(|closed| {
            if let Err(error) = closed {
                tracing::error!(%error, "closing a store has panicked, which is a bug");
            }
        }))
    }

    fn figures(&self) -> Vec<Figure> {
        metrics::figures(&self.store)
    }
}

#[cfg(test)]
mod tests {
    use prism_plugin::driver;
    use serde_json::json;

    use super::*;

    fn options(path: &Path, durability: &str) -> Options {
        let value = json!({ "path": path, "durability": durability, "min_free": 0, "cache_size": "8MiB" });
        serde_json::from_value(value).unwrap()
    }

    #[tokio::test]
    async fn a_probe_opens_nothing_and_names_what_a_store_serves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let found = DiskStoreDriver.probe(&options(&path, "1s")).await.unwrap();
        assert!(!path.exists(), "a probe creates nothing");
        assert_eq!(found.facts[0].1, "becomes a new store");
        assert!(found.facts[2].1.contains("the last second"), "{found:?}");
        let store = DiskStoreDriver.open(&options(&path, "1s")).unwrap();
        assert_eq!(found.interfaces, driver::interfaces(&store.served()));
        let found = DiskStoreDriver.probe(&options(&path, "never")).await.unwrap();
        assert_eq!(found.facts[0].1, "a store");
        std::fs::write(folder.path().join("notes"), "x").unwrap();
        let why = DiskStoreDriver.probe(&options(folder.path(), "1s")).await.unwrap_err();
        assert!(why.contains("neither empty nor a store"), "{why}");
    }

    #[test]
    fn what_is_not_the_path_changes_while_it_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let store = DiskStoreDriver.open(&options(&path, "1s")).unwrap();
        store.take(&options(&path, "never")).unwrap()();
        assert!(store.take(&options(folder.path(), "1s")).is_none());
        let Err(mistakes) = DiskStoreDriver.open(&options(&path, "1s")) else {
            panic!("it was opened twice")
        };
        assert_eq!(mistakes[0].field, "path");
        assert!(mistakes[0].why.contains("is open in another process"), "{mistakes:?}");
        assert_eq!(store.state(), State::Ready);
    }
}
