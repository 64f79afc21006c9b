//! Looking at a store that no process has open.

use std::path::Path;

use crate::config::{Live, Settings};
use crate::engine::{Fault, View};
use crate::folder::is_store;
use crate::store::DiskStore;
use crate::verify::{self, Report};

/// Opens the store in a folder, reads everything in it, and closes it. Blocks.
///
/// # Errors
/// There is no store, it cannot be opened, or what is damaged.
pub fn check(path: &Path) -> Result<Report, String> {
    opened(path, verify::everything)
}

/// Opens the store in a folder, counts what it holds without reading it, and closes it. Blocks. Of the report, only
/// `namespaces`, `keys`, `lists` and `disk_bytes` are filled in.
///
/// # Errors
/// There is no store, or it cannot be opened.
pub fn stats(path: &Path) -> Result<Report, String> {
    opened(path, verify::counts)
}

fn opened(path: &Path, read: impl FnOnce(&dyn View) -> Result<Report, Fault>) -> Result<Report, String> {
    if !is_store(path)? {
        return Err(format!(
            "{} is not a store; name the folder that --path or `path` names",
            path.display()
        ));
    }
    // What is looked at is not written to, so the disk may be full.
    let live = Live { min_free: 0, ..Live::default() };
    let store = DiskStore::open(&Settings { path: path.to_owned(), live })?;
    let report = store.shared.read(read).map_err(|fault| format!("{}: {fault}", path.display()))?;
    let disk_bytes = store.shared.engine().as_ref().map_or(0, |engine| engine.figures().disk_bytes);
    Ok(Report { disk_bytes, ..report })
}
