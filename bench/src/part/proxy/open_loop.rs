//! Latency at a fixed rate: half of the gateway's maximum.

use anyhow::Context as _;

use super::{Field, case_id};
use crate::contender::prism;
use crate::contest::progress;
use crate::load::Shape;
use crate::load::prism_bench::PrismBench;
use crate::plan::Plan;
use crate::process::Others;
use crate::results::{Case, Figure, Sample, Spread, Terms, grouped};

/// The name of the case.
pub(crate) const ID: &str = "open-loop/get";

/// The keys that are read in turn.
const KEYS: usize = 1000;

/// Measures gateways of one worker at half of the rate that prism-proxy reached in `cases`.
pub(super) async fn run(field: &Field, plan: &Plan, cases: &[Case]) -> anyhow::Result<Case> {
    let id = case_id("get", Shape::SHARED, field.workers);
    let closed = cases.iter().find(|case| case.id == id);
    let rates = closed.and_then(|case| case.figure(prism::PROXY, Figure::RequestsPerSecond));
    let rate =
        Spread::of(rates.into_iter().flatten().copied()).context("the closed loop ran before")?.median / 2.0;

    let title = format!("{} req/s on {}", grouped(rate, 0), Shape::SHARED);
    let section = "Latency of Get at half of prism-proxy's rate (open loop), one worker each";
    let mut case = Case::new(section, &title, ID).against(prism::PROXY);
    let load = PrismBench {
        calls: "get",
        shape: Shape::SHARED,
        rate: Some(rate),
        time: plan.time,
        keys: KEYS,
        prefix: None,
        ttl: None,
        place: plan.rest_place(field.workers),
    };
    for round in 0..plan.rounds {
        for contender in [&field.prism, &field.haproxy] {
            let others = Others::begin()?;
            let open = load.run(&contender.address)?;
            let sample = open.sample().with(Figure::OthersPercent, others.percent()?);
            let sample = Sample { histogram: open.histogram, ..sample };
            let terms = Terms { tls: false, keep_alive: true, workers: contender.workers()? };
            progress(round, plan.rounds, &case, contender.name, &sample);
            case.record(contender.name, Some(terms), sample);
        }
    }
    case.check_terms()?;
    Ok(case)
}
