//! Get and Set, one at a time on each connection, compared with Redis and Valkey.

use std::path::Path;

use crate::call::{Call, VALUE_BYTES, value_text};
use crate::contender::{prism, redis, valkey};
use crate::contest::{self, progress, resp};
use crate::load::Shape;
use crate::load::h2load::{H2load, Until};
use crate::plan::Plan;
use crate::results::Case;

/// The name of a case.
pub(crate) fn case_id(call: &str, shape: Shape) -> String {
    format!("calls/{call}-{shape}")
}

/// Measures all of them, in turn. `valkey` is the binary of its server.
pub(super) async fn run(plan: &Plan, folder: &Path, valkey: &Path) -> anyhow::Result<Vec<Case>> {
    let memstore = prism::memstore(plan.contender(1, folder))?;
    let peers = [redis::start(plan.contender(1, folder))?, valkey::start(plan.contender(1, folder), valkey)?];
    let value = value_text(VALUE_BYTES);
    let mut cases = Vec::new();
    for shape in [Shape::SPREAD, Shape::SINGLE] {
        cases.push(new_case("get", shape));
        cases.push(new_case("set", shape));
    }
    for round in 0..plan.rounds {
        let mut at = cases.iter_mut();
        for shape in [Shape::SPREAD, Shape::SINGLE] {
            let set = ["SET", "bench", value.as_str()];
            for (call, command) in [(Call::get(VALUE_BYTES), &["GET", "bench"][..]), (Call::set(), &set[..])]
            {
                let Some(case) = at.next() else { break };
                let load = H2load { call, shape, until: Until::Passed(plan.time), place: plan.rest_place(1) };
                let (terms, sample) = contest::measure(prism::MEMSTORE, &memstore, &memstore, &load).await?;
                progress(round, plan.rounds, case, prism::MEMSTORE, &sample);
                case.record(prism::MEMSTORE, Some(terms), sample);
                for peer in &peers {
                    let (terms, sample) =
                        resp::measure(peer, peer, command, shape, plan.time, plan.rest_place(1))?;
                    progress(round, plan.rounds, case, peer.name, &sample);
                    case.record(peer.name, Some(terms), sample);
                }
                case.check_terms()?;
            }
        }
    }
    Ok(cases)
}

fn new_case(call: &str, shape: Shape) -> Case {
    let section = "Get and Set of 100 bytes, one worker each, no pipelining";
    let title = format!("{} {shape}", if call == "get" { "Get" } else { "Set" });
    Case::new(section, &title, &case_id(call, shape)).against(redis::NAME)
}
