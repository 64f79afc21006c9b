//! Copies of a namespace's keys and lists: the verbs of `prism.interfaces.transfer`.

mod export;
mod import;
mod item;
mod messages;
mod unacknowledged;

use std::fmt;
use std::sync::Arc;

use prism_proto::interfaces::transfer::ExportRequest;

use crate::shared::Shared;

pub use export::Export;
pub use import::{Import, Imported};
pub use item::{Exported, Item};

/// Keys and lists of one namespace, with times to live, out of a backend and into another.
///
/// ```no_run
/// # async fn example() -> Result<(), prism_client::Error> {
/// let client = prism_client::Client::new("localhost:8980")?;
/// let mut export = client.namespace("orders").transfer().export("");
/// let mut import = client.namespace("archive").transfer().import();
/// while let Some(exported) = export.next().await {
///     import.send(exported?).await?;
/// }
/// let imported = import.finish().await?;
/// println!("{} items, {} of them skipped", imported.items, imported.skipped);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Transfer {
    shared: Arc<Shared>,
    namespace: Arc<str>,
}

impl Transfer {
    pub(crate) fn new(shared: Arc<Shared>, namespace: Arc<str>) -> Self {
        Self { shared, namespace }
    }

    /// Returns all keys and then all lists whose names begin with `prefix`, 0 to 4,096 bytes.
    pub fn export(&self, prefix: impl Into<String>) -> Export {
        let namespace = self.namespace.as_ref().to_owned();
        let request = ExportRequest { namespace, prefix: prefix.into(), ..ExportRequest::default() };
        Export::new(&self.shared, request)
    }

    /// Stores keys and lists, as many as [`Import::send`] is given.
    pub fn import(&self) -> Import {
        Import::new(&self.shared, self.namespace.as_ref().to_owned())
    }
}

impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfer").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
