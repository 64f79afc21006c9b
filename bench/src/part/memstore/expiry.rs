//! A whole store of keys that expire within the same second, compared with Redis: how long until they are freed.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};

use crate::call::{VALUE_BYTES, key, value_text};
use crate::contender::{Contender, Setup, prism, redis};
use crate::contest::progress;
use crate::fill::fill;
use crate::plan::Plan;
use crate::process::{Place, cores};
use crate::results::{Case, Figure, Sample, count};

/// The name of the case.
pub(crate) const ID: &str = "expiry/all";

/// Keys of the trial that determines how long filling takes.
const TRIAL_KEYS: usize = 20_000;
/// How often the store is polled.
const TICK: Duration = Duration::from_millis(20);
/// How long freed memory may take to return to the system.
const RSS_MAX: Duration = Duration::from_secs(30);
/// How long keys may take to be gone.
const GONE_MAX: Duration = Duration::from_secs(120);

/// Measures both, once.
pub(super) async fn run(plan: &Plan, folder: &Path) -> anyhow::Result<Case> {
    let mut case = Case::new(
        "Keys that expire within one second, from then on",
        &format!("{} keys", count(plan.keys)),
        ID,
    );
    let setup = Setup { workers: cores(), place: Place::Anywhere, folder };
    for contender in [prism::memstore(setup)?, redis::start(Setup { workers: 1, ..setup })?] {
        let sample = expire(&contender, plan.keys).await?;
        progress(0, 1, &case, contender.name, &sample);
        case.record(contender.name, None, sample);
    }
    Ok(case)
}

async fn expire(contender: &Contender, keys: usize) -> anyhow::Result<Sample> {
    let begun = Instant::now();
    store(contender, "trial:", TRIAL_KEYS, SystemTime::now() + Duration::from_secs(3600)).await?;
    let empty_bytes = contender.process.rss_bytes()?;
    // One and a half times what filling should take.
    let fill_time = begun.elapsed().mul_f64(1.5 * keys as f64 / TRIAL_KEYS as f64);
    let end = whole_second(SystemTime::now() + fill_time + Duration::from_secs(3))?;
    store(contender, "", keys, end).await?;
    let full_bytes = contender.process.rss_bytes()?;
    let (total, trial) = (u64::try_from(keys + TRIAL_KEYS)?, u64::try_from(TRIAL_KEYS)?);
    ensure!(held(contender)? == total, "{} was not filled before its keys expired", contender.name);

    tokio::time::sleep(end.duration_since(SystemTime::now()).unwrap_or_default()).await;
    let expired = Instant::now();
    while held(contender)? > trial {
        ensure!(expired.elapsed() < GONE_MAX, "{} still holds expired keys", contender.name);
        tokio::time::sleep(TICK).await;
    }
    let gone = expired.elapsed();
    let half_bytes = empty_bytes + full_bytes.saturating_sub(empty_bytes) / 2;
    let mut sample = Sample::default()
        .with(Figure::Seconds, gone.as_secs_f64())
        .with(Figure::RssMib, full_bytes as f64 / f64::from(1 << 20));
    while expired.elapsed() < gone + RSS_MAX {
        if contender.process.rss_bytes()? < half_bytes {
            sample = sample.with(Figure::RssFallSeconds, expired.elapsed().as_secs_f64());
            break;
        }
        tokio::time::sleep(TICK).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after_bytes = contender.process.rss_bytes()?;
    Ok(sample.with(Figure::RssAfterMib, after_bytes as f64 / f64::from(1 << 20)))
}

fn whole_second(moment: SystemTime) -> anyhow::Result<SystemTime> {
    Ok(UNIX_EPOCH + Duration::from_secs(moment.duration_since(UNIX_EPOCH)?.as_secs()))
}

/// Stores keys that live until a moment, or up to a second less: times to live are whole seconds.
async fn store(contender: &Contender, prefix: &str, keys: usize, end: SystemTime) -> anyhow::Result<()> {
    if contender.name == redis::NAME {
        let end = end.duration_since(UNIX_EPOCH)?.as_secs().to_string();
        let value = value_text(VALUE_BYTES);
        let keys = (0..keys).map(|number| key(prefix, number));
        return redis::Connection::open(&contender.address)?.fill(keys, &value, &["EXAT", &end]);
    }
    let ttl_seconds = || {
        let left = end.duration_since(SystemTime::now()).unwrap_or_default();
        Some(left.as_secs().max(1).cast_signed())
    };
    fill(&contender.address, prefix, 0..keys, ttl_seconds).await
}

/// Keys that are not freed yet.
fn held(contender: &Contender) -> anyhow::Result<u64> {
    if contender.name == redis::NAME {
        return redis::Connection::open(&contender.address)?.size().context("Redis does not report its size");
    }
    prism::metric(contender, "prism_memstore_keys")
}
