//! The store on disk: durable writes compared with Redis and etcd, reads from memory and from disk, long lists, its start after kill -9, and its
//! size after many overwrites.

pub(crate) mod durable;
pub(crate) mod large;
pub(crate) mod lists;
pub(crate) mod reads;
pub(crate) mod size;

use std::path::Path;

use anyhow::ensure;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use prism_client::Client;

use crate::call::{VALUE_BYTES, key, value};
use crate::machine::Machine;
use crate::part::Part;
use crate::plan::Plan;
use crate::results::Results;

/// Participating programs, and their flag for the version.
const PROGRAMS: [(&str, &str); 3] =
    [("redis-server", "--version"), ("etcd", "--version"), ("h2load", "--version")];

/// The default cache, which holds the keys of most cases.
const CACHE: &str = "256MiB";
/// The keys of a batch, and batches in flight, while a store is filled.
const BATCH: usize = 1000;
const BATCHES_IN_FLIGHT: usize = 4;

/// Runs the part.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Results> {
    let machine = Machine::describe(&PROGRAMS)?;
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    ensure!(
        !is_in_memory(folder)?,
        "{} is in memory, not on a disk: set TMPDIR to a folder on the disk to be measured",
        folder.display()
    );
    let mut cases = durable::run(plan, folder).await?;
    cases.extend(reads::run(plan, folder).await?);
    cases.push(lists::run(plan, folder).await?);
    cases.push(size::run(plan, folder).await?);
    cases.extend(large::run(plan, folder).await?);
    Ok(Results { part: Part::Diskstore, machine, settings: plan.settings(), cases })
}

fn is_in_memory(folder: &Path) -> anyhow::Result<bool> {
    /// Of tmpfs, in statfs(2).
    const TMPFS: i64 = 0x0102_1994;
    Ok(rustix::fs::statfs(folder)?.f_type == TMPFS)
}

/// Stores a value under each of the first `keys` keys of a series, in batches.
async fn fill(address: &str, prefix: &str, keys: usize) -> anyhow::Result<()> {
    let keyvalue = Client::builder(address).connections(1).build()?.keyvalue();
    stream::iter((0..keys).step_by(BATCH))
        .map(|first| {
            let numbers = first..keys.min(first + BATCH);
            let batch = keyvalue.set_many(numbers.map(|number| (key(prefix, number), value(VALUE_BYTES))));
            async move { batch.await.into_iter().collect::<Result<Vec<_>, _>>() }
        })
        .buffer_unordered(BATCHES_IN_FLIGHT)
        .map_ok(drop)
        .try_collect::<()>()
        .await?;
    Ok(())
}
