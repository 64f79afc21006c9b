//! How a Count and a full Scan of a large store affect a Get: with one worker, all three share one thread.

use anyhow::ensure;

use crate::call::Call;
use crate::contender::Contender;
use crate::contest::progress;
use crate::load::Shape;
use crate::load::h2load::{H2load, Until};
use crate::load::prism_bench::PrismBench;
use crate::plan::Plan;
use crate::process::Others;
use crate::results::{Case, Figure, Sample, count, grouped};

/// The name of the case.
pub(crate) const ID: &str = "beside/get";
/// Without slow calls, in results.
pub(crate) const ALONE: &str = "Get alone";
/// With slow calls.
pub(crate) const BESIDE: &str = "Get beside Count and Scan";

/// Far below what one worker can do, so that the slow calls have time to run, and Gets are served beside them.
const RATE: f64 = 500.0;
/// The number of keys that are read.
const KEYS: usize = 1000;

/// Measures Gets at a fixed rate, without and with one Count and one Scan after another on other connections.
pub(super) async fn run(plan: &Plan, memstore: &Contender) -> anyhow::Result<Case> {
    let mut case = Case::new(
        "Get beside slow calls, one worker",
        &format!("{} keys, {} Gets/s", count(plan.keys), grouped(RATE, 0)),
        ID,
    )
    .against(ALONE);
    let gets = PrismBench {
        calls: "get",
        shape: Shape::SHARED,
        rate: Some(RATE),
        time: plan.time,
        keys: KEYS,
        prefix: None,
        ttl: None,
        place: plan.rest_place(1),
    };
    // Long enough for the Gets, which end the slow calls.
    let time = plan.time * 10;
    let slow =
        |call| H2load { call, shape: Shape::SINGLE, until: Until::Passed(time), place: plan.rest_place(1) };
    let counts = slow(Call::Count { keys: plan.keys });
    let scans = slow(Call::Scan { prefix: String::new(), keys: plan.keys });
    counts.call.verify(memstore).await?;
    for round in 0..plan.rounds {
        for label in [ALONE, BESIDE] {
            let mut slow = match label {
                BESIDE => vec![counts.start(memstore)?, scans.start(memstore)?],
                _ => Vec::new(),
            };
            let others = Others::begin()?;
            let open = gets.run(&memstore.address)?;
            for load in &mut slow {
                ensure!(load.runs()?, "a slow call failed beside the Gets");
            }
            drop(slow);
            let sample = open.sample().with(Figure::OthersPercent, others.percent()?);
            let sample = Sample { histogram: open.histogram, ..sample };
            progress(round, plan.rounds, &case, label, &sample);
            case.record(label, None, sample);
        }
    }
    Ok(case)
}
