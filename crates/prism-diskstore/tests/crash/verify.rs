//! Opens what is left of a store and compares it with what it must hold.

use std::collections::BTreeMap;
use std::path::Path;

use futures_util::StreamExt as _;
use prism_diskstore::DiskStore;
use prism_plugin::keyvalue::Range;
use prism_plugin::{Context, IdempotentRetries as _, KeyValue as _};

use crate::worker::{Acknowledged, Job};
use crate::workload::{Held, attempt, holds, namespace};

/// What may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum May {
    /// Nothing that was acknowledged.
    Nothing,
    /// The last calls of each task.
    LastCalls,
}

/// Opens the store below `root` and compares it.
///
/// # Errors
/// What is wrong with it; the text begins with "refused" if the store was not opened.
pub(crate) fn verify(
    job: &Job,
    root: &Path,
    acknowledged: &BTreeMap<u32, Acknowledged>,
    held: &[Vec<Held>],
    may: May,
) -> Result<(), String> {
    let store = job.open(root).map_err(|error| format!("refused: {error}"))?;
    store.verify().map_err(|error| format!("damaged: {error}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(compare(job, &store, acknowledged, held, may))
}

async fn compare(
    job: &Job,
    store: &DiskStore,
    acknowledged: &BTreeMap<u32, Acknowledged>,
    held: &[Vec<Held>],
    may: May,
) -> Result<(), String> {
    let mut scanned = scan(store).await?;
    for task in 0..job.workload.tasks {
        let calls = acknowledged.get(&task).cloned().unwrap_or_default();
        let found = holds(store, task, &calls.leases).await.map_err(|error| format!("damaged: {error}"))?;
        for (key, value) in &found.keys {
            if scanned.remove(key).as_ref() != Some(value) {
                return Err(format!("a scan and a get disagree about {key}"));
            }
        }
        let least = if may == May::Nothing { calls.done } else { 0 };
        // Of the call that was in flight, nobody knows the lease.
        let unknown = (calls.begun > calls.done).then(|| calls.begun - 1);
        let held = &held[task as usize];
        let is_found = |held: &Held| held.found(unknown) == found;
        let possible = &held[least as usize..=calls.begun.max(calls.done) as usize];
        if !possible.iter().any(is_found) {
            let lost = held.iter().rposition(is_found);
            return Err(format!("task {task} holds what it held after {lost:?} calls; it has {calls:?}"));
        }
        if job.has_keys {
            let recorded = recorded(store, task, calls.begun).await?;
            let all = job.workload.calls(task);
            let fits = |applied: usize| {
                is_found(&possible[applied - least as usize])
                    && (0..).zip(&recorded).all(|(number, is_recorded)| {
                        *is_recorded == (number < applied) || all[number].may_write_nothing()
                    })
            };
            if !(least as usize..=calls.begun as usize).any(fits) {
                return Err(format!(
                    "task {task} has answers to other calls than it holds; it has {calls:?}"
                ));
            }
        }
    }
    match scanned.pop_first() {
        Some((key, _)) => Err(format!("{key} was never written")),
        None => Ok(()),
    }
}

/// Whether the first calls of a task have answers on record.
async fn recorded(store: &DiskStore, task: u32, calls: u32) -> Result<Vec<bool>, String> {
    let mut recorded = Vec::new();
    for number in 0..calls {
        let answer = store.recall(&attempt(task, number)).await;
        recorded.push(answer.map_err(|error| format!("an answer: {error}"))?.is_some());
    }
    Ok(recorded)
}

async fn scan(store: &DiskStore) -> Result<BTreeMap<String, bytes::Bytes>, String> {
    let range = Range::new(namespace(), String::new());
    let mut pages = store.scan(&Context::default(), range);
    let mut all = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| format!("damaged: {error}"))?;
        all.extend(page.items.into_iter().map(|(key, value)| (key.into_string(), value)));
    }
    Ok(all)
}
