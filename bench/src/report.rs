//! The page, its plots and the verdict on the targets: generated from the JSON files alone.

pub(crate) mod json;
mod markdown;
mod plot;
mod target;

use std::path::Path;

/// Writes the page and the plots of a folder's results.
pub(crate) fn write(folder: &Path) -> anyhow::Result<()> {
    let all = json::read_all(folder)?;
    let plots = plot::write_all(folder, &all)?;
    let page = folder.join("README.md");
    std::fs::write(&page, markdown::page(&all, &plots))?;
    eprintln!("wrote {}", page.display());
    Ok(())
}
