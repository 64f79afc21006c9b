//! A batch of keys: BatchGet through the gateway, with the store behind it and in its process, compared with MGET straight at Redis, and the Python client's `get_many` compared with as many
//! Gets at once of grpc.aio.

use std::path::Path;

use crate::call::verb::batch_keys;
use crate::call::{Call, VALUE_BYTES, Verb, value_text};
use crate::contender::{prism, redis};
use crate::contest::{self, progress, resp};
use crate::load::Shape;
use crate::load::h2load::{H2load, Until};
use crate::part::memstore::embedded::EMBEDDED;
use crate::part::python;
use crate::plan::Plan;
use crate::results::Case;

/// The names of the cases.
pub(crate) const ID: &str = "batch/get";
pub(crate) const PYTHON_ID: &str = "batch/python";
/// The clients, by their names in the script.
pub(crate) const WHEEL: &str = "wheel-get-many";
pub(crate) const GRPC_AIO: &str = "grpc-aio-gets";

/// The keys of a batch.
const KEYS: usize = 100;

/// Measures both, in turn.
pub(super) async fn run(plan: &Plan, folder: &Path) -> anyhow::Result<Vec<Case>> {
    Ok(vec![straight(plan, folder).await?, from_python(plan, folder)?])
}

async fn straight(plan: &Plan, folder: &Path) -> anyhow::Result<Case> {
    let memstore = prism::memstore(plan.backend(1, folder))?;
    let proxy = prism::proxy(plan.contender(1, folder), &memstore.address)?;
    let embedded = prism::proxy(plan.contender(1, folder), EMBEDDED)?;
    let redis = redis::start(plan.contender(1, folder))?;
    let mut connection = redis::Connection::open(&redis.address)?;
    connection.fill(batch_keys(KEYS), &value_text(VALUE_BYTES), &[])?;
    let keys: Vec<_> = batch_keys(KEYS).collect();
    let command: Vec<_> = ["MGET"].into_iter().chain(keys.iter().map(String::as_str)).collect();
    let (shape, place) = (Shape::SPREAD, plan.rest_place(1));
    let section = format!("{KEYS} keys of {VALUE_BYTES} bytes in one call, one worker each");
    let mut case = Case::new(&section, &format!("BatchGet / MGET, {shape}"), ID).against(redis::NAME);
    for round in 0..plan.rounds {
        for (label, gateway, server) in [(proxy.name, &proxy, &memstore), (EMBEDDED, &embedded, &embedded)] {
            let call = Call::Verb(Verb::BatchGet(KEYS));
            let load = H2load { call, shape, until: Until::Passed(plan.time), place };
            let (terms, sample) = contest::measure(label, gateway, server, &load).await?;
            progress(round, plan.rounds, &case, label, &sample);
            case.record(label, Some(terms), sample);
        }
        let (terms, sample) = resp::measure(&redis, &redis, &command, shape, plan.time, place)?;
        progress(round, plan.rounds, &case, redis::NAME, &sample);
        case.record(redis::NAME, Some(terms), sample);
        case.check_terms()?;
    }
    Ok(case)
}

fn from_python(plan: &Plan, folder: &Path) -> anyhow::Result<Case> {
    let servers = python::Servers::start(plan, folder)?;
    let section = format!("{KEYS} keys of {VALUE_BYTES} bytes from Python on asyncio");
    let mut case = Case::new(&section, "one after another", PYTHON_ID).against(WHEEL);
    for round in 0..plan.rounds {
        for client in [WHEEL, GRPC_AIO] {
            let sample = servers.measure(client, python::LOOPS[0], 1)?;
            progress(round, plan.rounds, &case, client, &sample);
            case.record(client, None, sample);
        }
    }
    Ok(case)
}
