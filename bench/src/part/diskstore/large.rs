//! A store of many keys: its start after kill -9, Gets of a data set larger than the cache, and Gets beside compactions and a full scan.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::ensure;

use super::fill;
use crate::call::{Call, VALUE_BYTES, key, value};
use crate::contender::{Contender, Setup, prism};
use crate::contest::progress;
use crate::load::Shape;
use crate::load::h2load::{H2load, Until};
use crate::load::prism_bench::PrismBench;
use crate::plan::Plan;
use crate::process::{Others, Place, cores, own_binary};
use crate::results::{Case, Figure, Sample, count, grouped};

/// The names of the cases.
pub(crate) const OPENING_ID: &str = "disk-open/after-kill";
const UNIFORM_ID: &str = "disk-get/uniform";
pub(crate) const BESIDE_ID: &str = "disk-beside/get";
/// In results.
pub(crate) const ALONE: &str = "Get alone";
pub(crate) const BESIDE_COMPACTION: &str = "Get beside compactions";
pub(crate) const BESIDE_SCAN: &str = "Get beside a full Scan";
pub(crate) const ENGINE: &str = "fjall alone, one thread";

/// Times the keys of a large store.
const FACTOR: usize = 10;
const PREFIX: &str = "big:";
/// Far below what one worker can do.
const RATE: f64 = 500.0;
/// How much larger the keys and values are than the cache, and the smallest cache.
const DATA_PER_CACHE: usize = 4;
const CACHE_BYTES_MIN: usize = 8 << 20;

/// Runs all three.
pub(super) async fn run(plan: &Plan, folder: &Path) -> anyhow::Result<Vec<Case>> {
    let own = tempfile::tempdir_in(folder)?;
    let path = own.path().join("store");
    let setup = Setup { workers: cores(), place: Place::Anywhere, folder: own.path() };
    let keys = plan.keys * FACTOR;
    let mut store = prism::diskstore(setup, &path, "1s", super::CACHE)?;
    fill(&store.address, PREFIX, keys).await?;
    let mut opening =
        Case::new("Start after kill -9", &format!("{} keys, to the first answer", count(keys)), OPENING_ID);
    for round in 0..plan.rounds {
        // What the journal holds when it is killed: up to 64 MiB of Sets.
        fill(&store.address, PREFIX, plan.keys / FACTOR).await?;
        store.process.kill()?;
        let begun = std::time::Instant::now();
        store = prism::diskstore(setup, &path, "1s", super::CACHE)?;
        let found = store.client().build()?.keyvalue().get(key(PREFIX, keys - 1)).await?;
        let took = begun.elapsed().as_secs_f64();
        ensure!(found == value(VALUE_BYTES), "a key has lost its value");
        let sample = Sample::default().with(Figure::Seconds, took);
        progress(round, plan.rounds, &opening, store.name, &sample);
        opening.record(store.name, None, sample);
    }
    let beside = beside(plan, &store, keys).await?;
    drop(store);
    Ok(vec![opening, beside, uniform(plan, folder).await?])
}

async fn beside(plan: &Plan, store: &Contender, keys: usize) -> anyhow::Result<Case> {
    let title = format!("{} keys, {} Gets/s", count(keys), grouped(RATE, 0));
    let mut case = Case::new("Get on disk beside slow work", &title, BESIDE_ID).against(ALONE);
    let gets = gets(keys, Some(RATE), plan);
    let scans = H2load {
        call: Call::Scan { prefix: PREFIX.to_owned(), keys },
        shape: Shape::SINGLE,
        // Long enough for the Gets, which end it.
        until: Until::Passed(plan.time * 10),
        place: Place::Anywhere,
    };
    for round in 0..plan.rounds {
        for label in [ALONE, BESIDE_COMPACTION, BESIDE_SCAN] {
            let others = Others::begin()?;
            let open = match label {
                BESIDE_COMPACTION => {
                    let before = prism::metric(store, "prism_diskstore_compactions_total")?;
                    let over = Arc::new(AtomicBool::new(false));
                    let (address, ended) = (store.address.clone(), Arc::clone(&over));
                    let overwrite = tokio::spawn(async move {
                        while !ended.load(Ordering::Relaxed) {
                            fill(&address, PREFIX, keys / FACTOR).await?;
                        }
                        anyhow::Ok(())
                    });
                    let open = gets.run(&store.address)?;
                    over.store(true, Ordering::Relaxed);
                    overwrite.await??;
                    let after = prism::metric(store, "prism_diskstore_compactions_total")?;
                    ensure!(after > before, "there was no compaction beside the Gets: measure for longer");
                    open
                }
                BESIDE_SCAN => {
                    let mut scan = scans.start(store)?;
                    let open = gets.run(&store.address)?;
                    ensure!(scan.runs()?, "the Scan failed beside the Gets");
                    open
                }
                _ => gets.run(&store.address)?,
            };
            let sample = open.sample().with(Figure::OthersPercent, others.percent()?);
            let sample = Sample { histogram: open.histogram, ..sample };
            progress(round, plan.rounds, &case, label, &sample);
            case.record(label, None, sample);
        }
    }
    Ok(case)
}

/// Gets of keys drawn uniformly from four times what the cache holds, beside what the engine does in a process of its own.
async fn uniform(plan: &Plan, folder: &Path) -> anyhow::Result<Case> {
    let own = tempfile::tempdir_in(folder)?;
    let setup = Setup { workers: 1, place: Place::Anywhere, folder: own.path() };
    let keys = plan.keys;
    let cache =
        (keys * (key(PREFIX, 0).len() + VALUE_BYTES) / DATA_PER_CACHE).max(CACHE_BYTES_MIN).to_string();
    let store = prism::diskstore(setup, &own.path().join("store"), "1s", &cache)?;
    fill(&store.address, PREFIX, keys).await?;
    let title = format!("{} keys, {DATA_PER_CACHE} times the cache, {}", count(keys), Shape::SPREAD);
    let mut case =
        Case::new("Get on disk, keys drawn uniformly, one worker", &title, UNIFORM_ID).against(ENGINE);
    for round in 0..plan.rounds {
        let others = Others::begin()?;
        let outcome = gets(keys, None, plan).run(&store.address)?;
        let sample = outcome.sample().with(Figure::OthersPercent, others.percent()?);
        progress(round, plan.rounds, &case, store.name, &sample);
        case.record(store.name, None, sample);
        let reads_per_second = engine(&own.path().join("engine"), keys, &cache, plan)?;
        let sample = Sample::default().with(Figure::RequestsPerSecond, reads_per_second);
        progress(round, plan.rounds, &case, ENGINE, &sample);
        case.record(ENGINE, None, sample);
    }
    Ok(case)
}

/// Reads per second of the engine alone.
fn engine(path: &Path, keys: usize, cache: &str, plan: &Plan) -> anyhow::Result<f64> {
    let mut command = Command::new(own_binary("engine-reads")?);
    command.arg(path).args([&keys.to_string(), cache, &plan.time.as_secs().to_string()]);
    let output = command.output()?;
    ensure!(output.status.success(), "engine-reads failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

fn gets(keys: usize, rate: Option<f64>, plan: &Plan) -> PrismBench {
    PrismBench {
        calls: "get",
        shape: if rate.is_some() { Shape::SHARED } else { Shape::SPREAD },
        rate,
        time: plan.time,
        keys,
        prefix: Some(PREFIX),
        ttl: None,
        place: Place::Anywhere,
    }
}
