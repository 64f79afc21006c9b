//! The engine's manifests, checked before it opens them: each tree has a file `vN` that names its tables, and a file `current`
//! with N and the checksum of that file. The engine writes the checksum and does not read it, so that a flipped bit would
//! make it look for other tables, or ask for memory without end.
//!
//! `current` is N u64, XXH3 of `vN` u128, and 0 for the kind of checksum, little-endian.

use std::fs;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

use crate::engine::Fault;

/// Checks the manifest of a tree.
///
/// # Errors
/// [`Fault::Damaged`], naming the file.
pub(super) fn check(tree: &Path) -> Result<(), Fault> {
    let damaged = |path: &Path, what: &str| Fault::Damaged(format!("{} {what}", path.display()));
    let current = tree.join("current");
    if !current.try_exists()? {
        return Err(damaged(&current, "is missing"));
    }
    let content = fs::read(&current)?;
    let parsed = || {
        let (number, rest) = content.split_first_chunk::<8>()?;
        let (checksum, rest) = rest.split_first_chunk::<16>()?;
        (rest == [0]).then_some((u64::from_le_bytes(*number), u128::from_le_bytes(*checksum)))
    };
    let (number, checksum) = parsed().ok_or_else(|| damaged(&current, "cannot be read"))?;
    let manifest = tree.join(format!("v{number}"));
    if !manifest.try_exists()? {
        return Err(damaged(&manifest, "is missing"));
    }
    match xxh3_128(&fs::read(&manifest)?) == checksum {
        true => Ok(()),
        false => Err(damaged(&manifest, "does not have the checksum that `current` says")),
    }
}
