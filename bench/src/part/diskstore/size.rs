//! The size on disk after every key was overwritten many times.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::fill;
use crate::call::{KEY_BYTES, VALUE_BYTES};
use crate::contender::{Setup, prism};
use crate::contest::progress;
use crate::plan::Plan;
use crate::process::{Place, cores};
use crate::results::{Case, Figure, Sample, count};

/// The name of the case.
pub(crate) const ID: &str = "disk-size/overwritten";

const ROUNDS: usize = 10;
/// The store is idle when its size has not changed for this long.
const IDLE: Duration = Duration::from_secs(5);
const IDLE_MAX: Duration = Duration::from_secs(120);

/// Measures it once.
pub(super) async fn run(plan: &Plan, folder: &Path) -> anyhow::Result<Case> {
    let own = tempfile::tempdir_in(folder)?;
    let setup = Setup { workers: cores(), place: Place::Anywhere, folder: own.path() };
    let path = own.path().join("store");
    let store = prism::diskstore(setup, &path, "1s", super::CACHE)?;
    for _ in 0..ROUNDS {
        fill(&store.address, "", plan.keys).await?;
    }
    let bytes = idle_bytes(&path)?;
    let live = plan.keys * (KEY_BYTES + VALUE_BYTES);
    let mut case = Case::new(
        "Size on disk",
        &format!("{} keys of {KEY_BYTES} and {VALUE_BYTES} bytes, stored {ROUNDS} times", count(plan.keys)),
        ID,
    );
    let sample = Sample::default()
        .with(Figure::DiskMib, bytes as f64 / f64::from(1 << 20))
        .with(Figure::DiskPerLiveByte, bytes as f64 / live as f64);
    progress(0, 1, &case, store.name, &sample);
    case.record(store.name, None, sample);
    Ok(case)
}

/// The size of a folder once it does not change any more.
fn idle_bytes(path: &Path) -> anyhow::Result<u64> {
    let begun = Instant::now();
    let (mut bytes, mut since) = (0, Instant::now());
    while since.elapsed() < IDLE {
        ensure!(begun.elapsed() < IDLE_MAX, "{} goes on changing its size", path.display());
        std::thread::sleep(Duration::from_millis(500));
        let now = size(path)?;
        if now != bytes {
            (bytes, since) = (now, Instant::now());
        }
    }
    Ok(bytes)
}

/// The blocks that files take, as `du` counts them.
fn size(path: &Path) -> anyhow::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        // A file may have been compacted away meanwhile.
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() { size(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(bytes)
}
