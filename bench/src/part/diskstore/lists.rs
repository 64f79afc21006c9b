//! A long list compared with a short one.

use std::path::Path;

use crate::call::{VALUE_BYTES, key};
use crate::contender::{Setup, prism};
use crate::contest::progress;
use crate::load::Shape;
use crate::load::prism_bench::PrismBench;
use crate::part::verbs::queue::fill;
use crate::plan::Plan;
use crate::process::{Others, Place};
use crate::results::{Case, Figure, count};

/// The name of the case.
pub(crate) const ID: &str = "disk-list/push-pop";
/// In results.
pub(crate) const LONG: &str = "long list";
pub(crate) const SHORT: &str = "list of 10";

const SHORT_VALUES: usize = 10;

/// Measures both, in turn.
pub(super) async fn run(plan: &Plan, folder: &Path) -> anyhow::Result<Case> {
    let own = tempfile::tempdir_in(folder)?;
    let setup = Setup { workers: 1, place: Place::Anywhere, folder: own.path() };
    let store = prism::diskstore(setup, &own.path().join("store"), "1s", super::CACHE)?;
    let list = store.client().build()?.list();
    let section = format!("PushRight and PopLeft of {VALUE_BYTES} bytes on disk (1s), one worker");
    let title = format!("a list of {} values and one of {SHORT_VALUES}, {}", count(plan.keys), Shape::SPREAD);
    let mut case = Case::new(&section, &title, ID).against(SHORT);
    for round in 0..plan.rounds {
        for (label, prefix, values) in [(LONG, "long:", plan.keys), (SHORT, "short:", SHORT_VALUES)] {
            // As the load names its only list.
            fill(&list, &key(prefix, 0), values).await?;
            let load = PrismBench {
                calls: "push-right=1,pop-left=1",
                shape: Shape::SPREAD,
                rate: None,
                time: plan.time,
                keys: 1,
                prefix: Some(prefix),
                ttl: None,
                place: Place::Anywhere,
            };
            let others = Others::begin()?;
            let sample = load.run(&store.address)?.sample().with(Figure::OthersPercent, others.percent()?);
            progress(round, plan.rounds, &case, label, &sample);
            case.record(label, None, sample);
        }
    }
    Ok(case)
}
