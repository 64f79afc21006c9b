//! What the store holds.

use prism_plugin::types::Namespace;
use prism_plugin::usage::{Usage, Used};
use prism_plugin::{Context, Error};

use crate::layout::{self, Counts};
use crate::store::DiskStore;

impl Usage for DiskStore {
    async fn usage(&self, _: &Context, namespace: Namespace) -> Result<Used, Error> {
        let key = layout::counts(&namespace);
        let counts = self.read(move |view| view.get(&key)).await?;
        let counts = counts.and_then(|encoded| Counts::decode(&encoded)).unwrap_or_default();
        let (disk_bytes, free) = self.room().await?;
        let floor = self.shared.settings().min_free;
        Ok(Used {
            keys: Some(counts.keys),
            lists: Some(counts.lists),
            backend_bytes: Some(disk_bytes),
            backend_bytes_max: Some(disk_bytes + free.saturating_sub(floor)),
        })
    }
}
