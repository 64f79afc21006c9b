//! The cost of a prefix scan that returns 100 keys, among more and more others.

use std::path::Path;
use std::time::Instant;

use anyhow::ensure;
use prism_client::Client;

use crate::contender::{Contender, prism};
use crate::contest::progress;
use crate::fill::fill;
use crate::plan::Plan;
use crate::results::{Case, Figure, Sample, Spread, count};

/// The name of the case.
pub(crate) const ID: &str = "scan/prefix";

/// The number of keys that a scan returns.
const MATCHING: usize = 100;
const PREFIX: &str = "match:";
/// Scans of one measurement.
const SCANS: usize = 100;

/// The label of the row of a store with this many keys.
pub(crate) fn label(keys: usize) -> String {
    format!("among {} keys", count(keys))
}

/// Measures three stores, in turn, and returns the largest, of `plan.keys` keys.
pub(super) async fn run(plan: &Plan, folder: &Path) -> anyhow::Result<(Case, Contender)> {
    let mut case = Case::new(&format!("Scan of {MATCHING} keys by prefix, one worker"), "a Scan", ID);
    let mut stores = Vec::new();
    for keys in [plan.keys / 100, plan.keys / 10, plan.keys] {
        let memstore = prism::memstore(plan.contender(1, folder))?;
        fill(&memstore.address, PREFIX, 0..MATCHING, || None).await?;
        // Digits sort before and letters after the prefix, which is thus between others.
        let others = keys - MATCHING;
        fill(&memstore.address, "", 0..others / 2, || None).await?;
        fill(&memstore.address, "z", others / 2..others, || None).await?;
        case.baseline.get_or_insert_with(|| label(keys));
        stores.push((keys, memstore));
    }
    for round in 0..plan.rounds {
        for (keys, memstore) in &stores {
            let sample = Sample::default().with(Figure::ScanUs, median_us(&memstore.address).await?);
            progress(round, plan.rounds, &case, &label(*keys), &sample);
            case.record(&label(*keys), None, sample);
        }
    }
    let largest = stores.pop().map(|(_, memstore)| memstore);
    Ok((case, largest.ok_or_else(|| anyhow::anyhow!("no store was measured"))?))
}

async fn median_us(address: &str) -> anyhow::Result<f64> {
    let keyvalue = Client::new(address)?.keyvalue();
    let mut times_us = Vec::with_capacity(SCANS);
    for _ in 0..SCANS {
        let begun = Instant::now();
        let mut scan = keyvalue.scan(PREFIX);
        let mut found = 0;
        while let Some(entry) = scan.next().await {
            entry?;
            found += 1;
        }
        times_us.push(begun.elapsed().as_secs_f64() * 1e6);
        ensure!(found == MATCHING, "a scan found {found} keys, not {MATCHING}");
    }
    Ok(Spread::of(times_us).map_or(0.0, |spread| spread.median))
}
