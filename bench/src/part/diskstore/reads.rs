//! Gets of what is in memory, compared with the store that has everything there.

use std::path::Path;

use crate::call::{Call, VALUE_BYTES};
use crate::contender::prism;
use crate::contest::{self, Contest, Entry};
use crate::load::Shape;
use crate::load::h2load::{H2load, Until};
use crate::plan::Plan;
use crate::results::Case;

/// The shapes.
pub(crate) const SHAPES: [Shape; 2] = [Shape::SHARED, Shape::SPREAD];

/// The name of a case.
pub(crate) fn case_id(shape: Shape) -> String {
    format!("cached/get-{shape}")
}

/// Measures both, in turn.
pub(super) async fn run(plan: &Plan, folder: &Path) -> anyhow::Result<Vec<Case>> {
    let own = tempfile::tempdir_in(folder)?;
    let setup = plan.contender(1, own.path());
    let contenders =
        [prism::diskstore(setup, &own.path().join("store"), "1s", super::CACHE)?, prism::memstore(setup)?];
    let contests = SHAPES.map(|shape| {
        let section = format!("Get of {VALUE_BYTES} bytes in the cache, one worker each");
        let case = Case::new(&section, &shape.to_string(), &case_id(shape)).against(prism::MEMSTORE);
        let (until, place) = (Until::Passed(plan.time), plan.rest_place(1));
        let load = H2load { call: Call::get(VALUE_BYTES), shape, until, place };
        let entry = |contender: usize| Entry {
            label: contenders[contender].name.to_owned(),
            contender: &contenders[contender],
            backend: &contenders[contender],
            load: load.clone(),
        };
        Contest { case, entries: [0, 1].map(entry).into(), across_workers: false }
    });
    contest::run(contests.into(), plan.rounds).await
}
