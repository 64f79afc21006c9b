//! How long Prism's servers take to become ready.

use std::path::Path;

use crate::contender::prism;
use crate::contest::progress;
use crate::plan::Plan;
use crate::results::{Case, Figure, Sample};

/// The name of the case.
pub(crate) const ID: &str = "start/all";

/// Starts each of them once per round.
pub(super) fn run(plan: &Plan, folder: &Path) -> anyhow::Result<Case> {
    let mut case = Case::new("From the start of a process to its ready line", "2 workers", ID);
    for round in 0..plan.rounds {
        let memstore = prism::memstore(plan.backend(2, folder))?;
        let proxy = prism::proxy(plan.contender(2, folder), &memstore.address)?;
        for contender in [&proxy, &memstore] {
            let ready_ms = contender.process.ready_after().as_secs_f64() * 1000.0;
            let sample = Sample::default().with(Figure::ReadyMs, ready_ms);
            progress(round, plan.rounds, &case, contender.name, &sample);
            case.record(contender.name, None, sample);
        }
    }
    Ok(case)
}
