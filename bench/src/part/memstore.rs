//! The store compared with Redis and Valkey: calls, memory, expiry, scans, and how slow calls affect fast ones.

pub(crate) mod beside;
pub(crate) mod calls;
pub(crate) mod embedded;
pub(crate) mod expiry;
pub(crate) mod memory;
pub(crate) mod scan;
pub(crate) mod ttl;

use crate::contender::valkey;
use crate::machine::Machine;
use crate::part::Part;
use crate::plan::Plan;
use crate::results::Results;

/// Participating programs, and their flag for the version.
const PROGRAMS: [(&str, &str); 2] = [("redis-server", "--version"), ("h2load", "--version")];

/// Runs the part.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Results> {
    let mut machine = Machine::describe(&PROGRAMS)?;
    let valkey = valkey::binary(&plan.python)?;
    let version = std::process::Command::new(&valkey).arg("--version").output()?;
    machine.versions.push((valkey::NAME.to_owned(), String::from_utf8(version.stdout)?.trim().to_owned()));
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let mut cases = calls::run(plan, folder, &valkey).await?;
    cases.extend(embedded::run(plan, folder).await?);
    cases.extend(ttl::run(plan, folder).await?);
    cases.extend(memory::run(plan, folder, &valkey).await?);
    cases.push(expiry::run(plan, folder).await?);
    let (scans, large) = scan::run(plan, folder).await?;
    cases.push(scans);
    cases.push(beside::run(plan, &large).await?);
    Ok(Results { part: Part::Memstore, machine, settings: plan.settings(), cases })
}
