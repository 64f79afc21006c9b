//! Bytes per key, compared with Redis and Valkey. Measured once: unlike time, memory does not vary.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;

use crate::call::{KEY_BYTES, VALUE_BYTES, key, value_text};
use crate::contender::{Contender, Setup, prism, redis, valkey};
use crate::contest::progress;
use crate::fill::fill;
use crate::plan::Plan;
use crate::process::{Place, cores};
use crate::results::{Case, Figure, Sample, count};

/// Sizes in tenths of a large store: just below, at and far above the point where tables double.
pub(crate) const TENTHS: [usize; 3] = [9, 10, 20];

/// How long allocators may take to return memory and settle.
const SETTLE: Duration = Duration::from_secs(1);

const TTL_SECONDS: i64 = 24 * 60 * 60;

/// The name of a case without times to live.
pub(crate) fn case_id(tenths: usize) -> String {
    format!("memory/{tenths}")
}

/// The name of the case with times to live.
pub(crate) const TTL_ID: &str = "memory/ttl";

/// Fills all stores. `valkey` is the binary of its server.
pub(super) async fn run(plan: &Plan, folder: &Path, valkey: &Path) -> anyhow::Result<Vec<Case>> {
    let title = |keys: usize, kind: &str| format!("{} keys{kind}", count(keys));
    let section = format!("Memory of keys of {KEY_BYTES} and values of {VALUE_BYTES} bytes");
    let setup = Setup { workers: cores(), place: Place::Anywhere, folder };
    let mut cases = Vec::new();
    let mut growing = [Store::memstore(setup)?, Store::redis(setup)?, Store::valkey(setup, valkey)?];
    for tenths in TENTHS {
        let keys = plan.keys * tenths / 10;
        let mut case = Case::new(&section, &title(keys, ""), &case_id(tenths)).against(redis::NAME);
        for store in &mut growing {
            store.grow_to(keys, None).await?;
            store.record(&mut case)?;
        }
        cases.push(case);
    }
    drop(growing);
    let mut case = Case::new(&section, &title(plan.keys, " with TTL"), TTL_ID).against(redis::NAME);
    for mut store in [Store::memstore(setup)?, Store::redis(setup)?, Store::valkey(setup, valkey)?] {
        store.grow_to(plan.keys, Some(TTL_SECONDS)).await?;
        store.record(&mut case)?;
    }
    cases.push(case);
    Ok(cases)
}

/// A filled store.
#[derive(Debug)]
struct Store {
    contender: Contender,
    empty_bytes: u64,
    keys: usize,
}

impl Store {
    fn memstore(setup: Setup<'_>) -> anyhow::Result<Self> {
        Self::new(prism::memstore(setup)?)
    }

    fn redis(setup: Setup<'_>) -> anyhow::Result<Self> {
        // More threads would only read and write sockets.
        Self::new(redis::start(Setup { workers: 1, ..setup })?)
    }

    fn valkey(setup: Setup<'_>, binary: &Path) -> anyhow::Result<Self> {
        Self::new(valkey::start(Setup { workers: 1, ..setup }, binary)?)
    }

    fn new(contender: Contender) -> anyhow::Result<Self> {
        let empty_bytes = contender.process.rss_bytes()?;
        Ok(Self { contender, empty_bytes, keys: 0 })
    }

    async fn grow_to(&mut self, keys: usize, ttl_seconds: Option<i64>) -> anyhow::Result<()> {
        let (address, new) = (&self.contender.address, self.keys..keys);
        let held = if self.contender.name != prism::MEMSTORE {
            let mut connection = redis::Connection::open(address)?;
            let value = value_text(VALUE_BYTES);
            let ttl = ttl_seconds.map(|seconds| seconds.to_string());
            let extra: Vec<_> = ttl.iter().flat_map(|seconds| ["EX", seconds.as_str()]).collect();
            connection.fill(new.map(|number| key("", number)), &value, &extra)?;
            connection.size()?
        } else {
            fill(address, "", new, || ttl_seconds).await?;
            prism::metric(&self.contender, "prism_memstore_keys")?
        };
        ensure!(held == u64::try_from(keys)?, "{} holds {held} keys, not {keys}", self.contender.name);
        self.keys = keys;
        tokio::time::sleep(SETTLE).await;
        Ok(())
    }

    fn record(&self, case: &mut Case) -> anyhow::Result<()> {
        let rss_bytes = self.contender.process.rss_bytes()?;
        let grown = rss_bytes.saturating_sub(self.empty_bytes) as f64;
        let sample = Sample::default()
            .with(Figure::RssMib, rss_bytes as f64 / f64::from(1 << 20))
            .with(Figure::BytesPerKey, grown / self.keys as f64);
        progress(0, 1, case, self.contender.name, &sample);
        case.record(self.contender.name, None, sample);
        Ok(())
    }
}
