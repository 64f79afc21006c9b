//! What the second edition's calls cost on the store: those that change a key by a rule, batches, queues, and waiters.

pub(crate) mod batch;
pub(crate) mod queue;
pub(crate) mod rules;
pub(crate) mod waiters;

use crate::machine::Machine;
use crate::part::Part;
use crate::plan::Plan;
use crate::results::Results;

/// Participating programs, and their flag for the version.
const PROGRAMS: [(&str, &str); 2] = [("redis-server", "--version"), ("h2load", "--version")];

/// Runs the part.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Results> {
    let machine = Machine::describe(&PROGRAMS)?;
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let mut cases = rules::run(plan, folder).await?;
    cases.extend(batch::run(plan, folder).await?);
    cases.extend(queue::run(plan, folder).await?);
    cases.extend(waiters::run(plan, folder).await?);
    Ok(Results { part: Part::Verbs, machine, settings: plan.settings(), cases })
}
