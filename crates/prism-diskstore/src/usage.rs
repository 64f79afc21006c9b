//! What the store holds.

use prism_plugin::types::Namespace;
use prism_plugin::usage::{Usage, Used};
use prism_plugin::{Context, Error};

use crate::folder::room;
use crate::layout::{self, Counts};
use crate::store::DiskStore;

impl Usage for DiskStore {
    async fn usage(&self, _: &Context, namespace: Namespace) -> Result<Used, Error> {
        let key = layout::counts(&namespace);
        let counts = self.read(move |view| view.get(&key)).await?;
        let counts = counts.and_then(|encoded| Counts::decode(&encoded)).unwrap_or_default();
        let disk_bytes = self.shared.engine().as_ref().map(|engine| engine.figures().disk_bytes);
        let floor = self.shared.settings().min_free;
        let free = room(self.path()).map(|(free, _)| free.saturating_sub(floor)).ok();
        Ok(Used {
            keys: Some(counts.keys),
            lists: Some(counts.lists),
            backend_bytes: disk_bytes,
            backend_bytes_max: disk_bytes.zip(free).map(|(used, free)| used + free),
        })
    }
}
