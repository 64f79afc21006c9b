//! The JSON files, one per part.

use std::path::Path;

use anyhow::Context as _;

use crate::part::Part;
use crate::results::Results;

/// Writes the results of a part, replacing those of an earlier run.
pub(crate) fn write(folder: &Path, results: &Results) -> anyhow::Result<()> {
    let path = folder.join(results.part.name()).with_extension("json");
    std::fs::write(&path, serde_json::to_string_pretty(results)? + "\n")?;
    eprintln!("wrote {}", path.display());
    Ok(())
}

/// The existing results, in the order of the parts.
pub(super) fn read_all(folder: &Path) -> anyhow::Result<Vec<Results>> {
    let mut all = Vec::new();
    for part in Part::ALL {
        let path = folder.join(part.name()).with_extension("json");
        if path.exists() {
            let text = std::fs::read_to_string(&path)?;
            all.push(serde_json::from_str(&text).with_context(|| format!("{} is invalid", path.display()))?);
        }
    }
    Ok(all)
}
