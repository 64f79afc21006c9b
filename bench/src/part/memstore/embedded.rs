//! The store embedded in the proxy's process, compared with the store alone over its socket.

use std::path::Path;

use crate::call::{Call, VALUE_BYTES};
use crate::contender::prism;
use crate::contest::{self, Contest, Entry};
use crate::load::Shape;
use crate::load::h2load::{H2load, Until};
use crate::plan::Plan;
use crate::results::Case;

/// The proxy with the embedded store, in results.
pub(crate) const EMBEDDED: &str = "embedded:memstore";

/// The name of a case.
pub(crate) fn case_id(call: &str) -> String {
    format!("embedded/{call}")
}

/// Measures both, in turn.
pub(super) async fn run(plan: &Plan, folder: &Path) -> anyhow::Result<Vec<Case>> {
    let alone = prism::memstore(plan.contender(1, folder))?;
    let embedded = prism::proxy(plan.contender(1, folder), EMBEDDED)?;
    let mut contests = Vec::new();
    for (name, title, call) in [("get", "Get", Call::get(VALUE_BYTES)), ("set", "Set", Call::set())] {
        let section = "The store embedded in a proxy, and alone, one worker each";
        let title = format!("{title} {}", Shape::SHARED);
        let case = Case::new(section, &title, &case_id(name)).against(prism::MEMSTORE);
        let (until, place) = (Until::Passed(plan.time), plan.rest_place(1));
        let load = H2load { call, shape: Shape::SHARED, until, place };
        let entry = |label: &str, contender| Entry {
            label: label.to_owned(),
            contender,
            backend: contender,
            load: load.clone(),
        };
        let entries = vec![entry(EMBEDDED, &embedded), entry(prism::MEMSTORE, &alone)];
        contests.push(Contest { case, entries, across_workers: false });
    }
    contest::run(contests, plan.rounds).await
}
