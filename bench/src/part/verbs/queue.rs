//! Queues: what idempotency keys and reserving cost, by the Rust client straight at the store.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use prism_client::{End, List};

use crate::call::{VALUE_BYTES, value};
use crate::contender::{Contender, Setup, prism};
use crate::contest::progress;
use crate::load::tasks::Tasks;
use crate::plan::Plan;
use crate::process::{Place, Process};
use crate::results::{Case, Figure, Sample, count};

/// The names of the cases.
pub(crate) const KEYS_ID: &str = "idempotency/push-pop";
pub(crate) const MEMORY_ID: &str = "idempotency/memory";
pub(crate) const RESERVE_ID: &str = "reserve/ack";
/// In results.
pub(crate) const WITH: &str = "with idempotency keys";
pub(crate) const WITHOUT: &str = "without";
pub(crate) const POP: &str = "PopLeft";
pub(crate) const RESERVE: &str = "Reserve and Ack";

/// Calls in flight.
const TASKS: usize = 64;
/// Values that a push adds when a list is filled.
const PUSHED_AT_ONCE: usize = 1000;
/// More values than a store serves in a second.
const VALUES_PER_SECOND: usize = 100_000;
/// As many calls for each key of a large store.
const CALLS_PER_KEY: usize = 10;
/// Memory is compared after this part of the calls, when every table has its size.
const WARM: f64 = 0.1;

/// Runs all of them.
pub(super) async fn run(plan: &Plan, folder: &Path) -> anyhow::Result<Vec<Case>> {
    Ok(vec![push_and_pop(plan, folder).await?, memory(plan, folder).await?, reserve(plan, folder).await?])
}

fn memstore(folder: &Path) -> anyhow::Result<Contender> {
    prism::memstore(Setup { workers: 1, place: Place::Anywhere, folder })
}

/// A client that sends calls under idempotency keys, as clients that retry do; or one that does neither.
fn list(store: &Contender, with_keys: bool) -> anyhow::Result<List> {
    let builder = store.client().connections(4);
    let builder = if with_keys { builder } else { builder.attempts_max(1) };
    Ok(builder.build()?.list())
}

async fn push_and_pop_for(list: &List, server: &Process, time: Duration) -> anyhow::Result<Sample> {
    let (list, value) = (list.clone(), value(VALUE_BYTES));
    let step = move |task: usize| {
        let (list, value, key) = (list.clone(), value.clone(), format!("queue-{task}"));
        async move {
            list.push_right(key.as_str(), value.clone()).await?;
            let popped = list.pop_left(key).await?;
            ensure!(popped == Some(value), "a pop returned the wrong value");
            Ok(())
        }
    };
    Tasks { count: TASKS, time }.run(server, step).await
}

async fn push_and_pop(plan: &Plan, folder: &Path) -> anyhow::Result<Case> {
    let store = memstore(folder)?;
    let lists = [(WITH, list(&store, true)?), (WITHOUT, list(&store, false)?)];
    let section = format!("PushRight and PopLeft of {VALUE_BYTES} bytes by the Rust client, one worker");
    let title = format!("{TASKS} pairs at once; a request is a pair");
    let mut case = Case::new(&section, &title, KEYS_ID).against(WITHOUT);
    for round in 0..plan.rounds {
        for turn in 0..lists.len() {
            let (label, list) = &lists[(round + turn) % lists.len()];
            let sample = push_and_pop_for(list, &store.process, plan.time).await?;
            progress(round, plan.rounds, &case, label, &sample);
            case.record(label, None, sample);
        }
    }
    Ok(case)
}

/// Resident memory after a tenth of many calls, and after all of them.
async fn memory(plan: &Plan, folder: &Path) -> anyhow::Result<Case> {
    let store = memstore(folder)?;
    let list = list(&store, true)?;
    let calls = plan.keys * CALLS_PER_KEY;
    let section = "Memory of answers that are kept for retries, one worker";
    let mut case = Case::new(section, &format!("{} calls under idempotency keys", count(calls)), MEMORY_ID);
    let done = || prism::metric(&store, "prism_calls_total");
    let mut warm = None;
    let mut sample = Sample::default();
    while done()? < u64::try_from(calls)? {
        sample = push_and_pop_for(&list, &store.process, Duration::from_secs(1)).await?;
        if warm.is_none() && done()? as f64 > WARM * calls as f64 {
            warm = Some(store.process.rss_bytes()?);
        }
    }
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let warm = warm.context("too few calls were made to compare memory")?;
    let sample =
        sample.with(Figure::RssMib, mib(warm)).with(Figure::RssAfterMib, mib(store.process.rss_bytes()?));
    progress(0, 1, &case, WITH, &sample);
    case.record(WITH, None, sample);
    Ok(case)
}

async fn reserve(plan: &Plan, folder: &Path) -> anyhow::Result<Case> {
    let store = memstore(folder)?;
    let list = list(&store, true)?;
    let values = VALUES_PER_SECOND * usize::try_from(plan.time.as_secs())?;
    let section = format!("Taking values of {VALUE_BYTES} bytes from a list by the Rust client, one worker");
    let title = format!("{TASKS} at once; a request is a value");
    let mut case = Case::new(&section, &title, RESERVE_ID).against(POP);
    for round in 0..plan.rounds {
        for label in [RESERVE, POP] {
            let key = label.replace(' ', "-");
            fill(&list, &key, values).await?;
            let (taken, key) = (list.clone(), key.clone());
            let step = move |_| {
                let (list, key) = (taken.clone(), key.clone());
                async move {
                    if label == POP {
                        list.pop_left(key)
                            .await?
                            .context("the list is empty: it was filled with too few values")?;
                    } else {
                        let lease = list.reserve(key).await?;
                        let lease = lease.context("the list is empty: it was filled with too few values")?;
                        ensure!(lease.ack().await? == 1, "an Ack removed another number of values");
                    }
                    Ok(())
                }
            };
            let sample = Tasks { count: TASKS, time: plan.time }.run(&store.process, step).await?;
            progress(round, plan.rounds, &case, label, &sample);
            case.record(label, None, sample);
        }
    }
    Ok(case)
}

/// Fills a list up to a number of values.
pub(crate) async fn fill(list: &List, key: &str, values: usize) -> anyhow::Result<()> {
    let mut length = usize::try_from(list.length(key).await?)?;
    let batch: Vec<Bytes> = vec![value(VALUE_BYTES); PUSHED_AT_ONCE];
    while length < values {
        let pushed = batch.iter().take(values - length).cloned();
        length = usize::try_from(list.push_many(key, End::Right, pushed).await?.new_length)?;
    }
    Ok(())
}
