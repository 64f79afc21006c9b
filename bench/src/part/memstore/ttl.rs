//! What a time to live costs: Set with and without one, on many keys and on one, and what a million refreshes of one
//! key leave behind.

use std::path::Path;

use anyhow::ensure;

use crate::call::{Call, VALUE_BYTES};
use crate::contender::{Contender, prism};
use crate::contest::{self, Contest, Entry, progress};
use crate::load::Shape;
use crate::load::h2load::{H2load, Until};
use crate::load::prism_bench::PrismBench;
use crate::plan::Plan;
use crate::process::Others;
use crate::results::{Case, Figure, Sample, count};

/// With a time to live, in results.
pub(crate) const WITH: &str = "with TTL";
/// Without.
pub(crate) const WITHOUT: &str = "without";
/// The names of the cases.
pub(crate) const ONE_KEY_ID: &str = "ttl/one-key";
pub(crate) const MANY_KEYS_ID: &str = "ttl/many-keys";
pub(crate) const REFRESH_ID: &str = "refresh/one-key";

const SECTION: &str = "Set with a time to live, one worker";
const TTL_SECONDS: i64 = 3600;
const MANY_KEYS: usize = 100_000;

/// Runs all three.
pub(super) async fn run(plan: &Plan, folder: &Path) -> anyhow::Result<Vec<Case>> {
    let refresh = refresh(plan, folder).await?;
    let memstore = prism::memstore(plan.contender(1, folder))?;
    let mut cases = one_key(plan, &memstore).await?;
    cases.push(many_keys(plan, &memstore)?);
    cases.push(refresh);
    Ok(cases)
}

fn set(ttl_seconds: Option<i64>) -> Call {
    Call::Set { key: format!("ttl-{}", ttl_seconds.unwrap_or(0)), value_bytes: VALUE_BYTES, ttl_seconds }
}

async fn one_key(plan: &Plan, memstore: &Contender) -> anyhow::Result<Vec<Case>> {
    let case = Case::new(SECTION, "one key", ONE_KEY_ID).against(WITHOUT);
    let entry = |label: &str, ttl_seconds| {
        let (until, place) = (Until::Passed(plan.time), plan.rest_place(1));
        let load = H2load { call: set(ttl_seconds), shape: Shape::SHARED, until, place };
        Entry { label: label.to_owned(), contender: memstore, backend: memstore, load }
    };
    let entries = vec![entry(WITH, Some(TTL_SECONDS)), entry(WITHOUT, None)];
    contest::run(vec![Contest { case, entries, across_workers: false }], plan.rounds).await
}

fn many_keys(plan: &Plan, memstore: &Contender) -> anyhow::Result<Case> {
    let mut case = Case::new(SECTION, &format!("{} keys", count(MANY_KEYS)), MANY_KEYS_ID).against(WITHOUT);
    for round in 0..plan.rounds {
        for (label, ttl) in [(WITH, Some("1h")), (WITHOUT, None)] {
            let load = PrismBench {
                calls: "set",
                shape: Shape::SHARED,
                rate: None,
                time: plan.time,
                keys: MANY_KEYS,
                prefix: None,
                ttl,
                place: plan.rest_place(1),
            };
            let others = Others::begin()?;
            let outcome = load.run(&memstore.address)?;
            let sample = outcome.sample().with(Figure::OthersPercent, others.percent()?);
            progress(round, plan.rounds, &case, label, &sample);
            case.record(label, None, sample);
        }
    }
    Ok(case)
}

/// Sets one key as often as a large store has keys, each time with a time to live.
async fn refresh(plan: &Plan, folder: &Path) -> anyhow::Result<Case> {
    let memstore = prism::memstore(plan.contender(1, folder))?;
    let mut case = Case::new(
        "Refreshing one key with a time to live",
        &format!("{} times", count(plan.keys)),
        REFRESH_ID,
    );
    let (call, place) = (set(Some(TTL_SECONDS)), plan.rest_place(1));
    let load =
        |requests| H2load { call: call.clone(), shape: Shape::SHARED, until: Until::Done(requests), place };
    // From here on, connections and their buffers exist.
    let calls = || prism::metric(&memstore, "prism_calls_total");
    load(10_000).run(&memstore, &[], &calls)?;
    let before = memstore.process.rss_bytes()?;
    let outcome = load(u64::try_from(plan.keys)?).run(&memstore, &[&memstore.process], &calls)?;
    call.verify(&memstore).await?;
    let timers = prism::metric(&memstore, "prism_memstore_timers")?;
    ensure!(prism::metric(&memstore, "prism_memstore_keys")? == 1, "there are other keys");
    let sample = Sample::default()
        .with(Figure::RequestsPerSecond, outcome.requests_per_second)
        .with(Figure::CpuUs, outcome.cpu_us[0])
        .with(Figure::RssMib, before as f64 / f64::from(1 << 20))
        .with(Figure::RssAfterMib, memstore.process.rss_bytes()? as f64 / f64::from(1 << 20))
        .with(Figure::Timers, timers as f64);
    progress(0, 1, &case, prism::MEMSTORE, &sample);
    case.record(prism::MEMSTORE, None, sample);
    Ok(case)
}
