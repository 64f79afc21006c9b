//! Increment, SetIf and Expire, one at a time on each connection, compared with the commands of Redis that do the same.

use std::path::Path;

use crate::call::verb::{ABSENT, COUNTER, COUNTER_START, EXPIRING, PRESENT, TTL_MILLIS};
use crate::call::{Call, VALUE_BYTES, Verb, value_text};
use crate::contender::{prism, redis};
use crate::contest::{self, progress, resp};
use crate::load::Shape;
use crate::load::h2load::{H2load, Until};
use crate::plan::Plan;
use crate::results::Case;

/// The calls' names, in ids and titles.
pub(crate) const CALLS: [&str; 4] =
    ["Increment / INCR", "SetIf absent / SET NX", "SetIf present / SET XX", "Expire / PEXPIRE"];

/// The name of a case.
pub(crate) fn case_id(call: &str) -> String {
    format!("rules/{call}")
}

/// Measures all of them, in turn.
pub(super) async fn run(plan: &Plan, folder: &Path) -> anyhow::Result<Vec<Case>> {
    let memstore = prism::memstore(plan.contender(1, folder))?;
    let redis = redis::start(plan.contender(1, folder))?;
    let (value, start, ttl) = (value_text(VALUE_BYTES), COUNTER_START.to_string(), TTL_MILLIS.to_string());
    let mut connection = redis::Connection::open(&redis.address)?;
    for (key, value) in [(COUNTER, &start), (ABSENT, &value), (PRESENT, &value), (EXPIRING, &value)] {
        connection.call(&["SET", key, value])?;
    }
    let shape = Shape::SPREAD;
    let section = "Calls that change a key by a rule, one worker each, no pipelining";
    let verbs = [
        (Verb::Increment, vec!["INCR", COUNTER]),
        (Verb::SetIfAbsent, vec!["SET", ABSENT, &value, "NX"]),
        (Verb::SetIfPresent, vec!["SET", PRESENT, &value, "XX"]),
        (Verb::Expire, vec!["PEXPIRE", EXPIRING, &ttl]),
    ];
    let mut cases: Vec<_> = CALLS
        .iter()
        .map(|call| Case::new(section, &format!("{call}, {shape}"), &case_id(call)).against(redis::NAME))
        .collect();
    for round in 0..plan.rounds {
        for (case, (verb, command)) in cases.iter_mut().zip(&verbs) {
            let (until, place) = (Until::Passed(plan.time), plan.rest_place(1));
            let load = H2load { call: Call::Verb(*verb), shape, until, place };
            let (terms, sample) = contest::measure(prism::MEMSTORE, &memstore, &memstore, &load).await?;
            progress(round, plan.rounds, case, prism::MEMSTORE, &sample);
            case.record(prism::MEMSTORE, Some(terms), sample);
            let (terms, sample) = resp::measure(&redis, &redis, command, shape, plan.time, place)?;
            progress(round, plan.rounds, case, redis::NAME, &sample);
            case.record(redis::NAME, Some(terms), sample);
            case.check_terms()?;
        }
    }
    Ok(cases)
}
