//! Sets that are on disk before they are acknowledged, or a second later, compared with what Redis and etcd do alike.

use std::path::Path;

use anyhow::Context as _;

use crate::call::{Call, VALUE_BYTES, value_text};
use crate::contender::{Contender, Setup, etcd, prism, redis};
use crate::contest::{self, keeps_alive, progress, resp};
use crate::load::Shape;
use crate::load::h2load::{H2load, Until};
use crate::metrics;
use crate::plan::Plan;
use crate::process::{Others, Place};
use crate::results::{Case, Figure, Sample, Terms};

/// The names of the cases.
pub(crate) const EVERY_WRITE_ID: &str = "durable/every-write";
pub(crate) const PERIODIC_ID: &str = "durable/1s";

const KEY: &str = "bench-set";

/// Measures all, in turn.
pub(super) async fn run(plan: &Plan, folder: &Path) -> anyhow::Result<Vec<Case>> {
    let section = format!("Set of {VALUE_BYTES} bytes on disk, no pipelining");
    let shape = Shape::SPREAD;
    let mut cases = Vec::new();
    for (durability, sync, id, title) in [
        ("every_write", "always", EVERY_WRITE_ID, "on disk before it is acknowledged"),
        ("1s", "everysec", PERIODIC_ID, "on disk within a second"),
    ] {
        let own = tempfile::tempdir_in(folder)?;
        let setup = Setup { workers: 1, place: Place::Anywhere, folder: own.path() };
        let ours = prism::diskstore(setup, &own.path().join("store"), durability, super::CACHE)?;
        let redis = redis::start_with_file(setup, sync)?;
        let etcd = if id == EVERY_WRITE_ID { Some(etcd::start(setup)?) } else { None };
        let mut case = Case::new(&section, &format!("{title}, {shape}"), id).against(redis::NAME);
        let (value, place) = (value_text(VALUE_BYTES), Place::Anywhere);
        for round in 0..plan.rounds {
            for turn in 0..3 {
                let (label, measured) = match (round + turn) % 3 {
                    0 => {
                        let load =
                            H2load { call: Call::set(), shape, until: Until::Passed(plan.time), place };
                        (ours.name, contest::measure(ours.name, &ours, &ours, &load).await)
                    }
                    1 => {
                        let command = ["SET", KEY, value.as_str()];
                        (redis.name, resp::measure(&redis, &redis, &command, shape, plan.time, place))
                    }
                    _ => match &etcd {
                        Some(etcd) => (etcd.name, put(etcd, shape, plan).await),
                        None => continue,
                    },
                };
                let (terms, sample) = measured.with_context(|| format!("{label} was measured"))?;
                progress(round, plan.rounds, &case, label, &sample);
                case.record(label, Some(terms), sample);
            }
        }
        cases.push(case);
    }
    Ok(cases)
}

async fn put(etcd: &Contender, shape: Shape, plan: &Plan) -> anyhow::Result<(Terms, Sample)> {
    let call = Call::EtcdPut { key: KEY.to_owned(), value_bytes: VALUE_BYTES };
    call.verify_through(etcd.name, etcd).await?;
    let load = H2load { call, shape, until: Until::Passed(plan.time), place: Place::Anywhere };
    let others = Others::begin()?;
    let outcome = load.run(etcd, &[&etcd.process], &|| metrics::read(&etcd.address, etcd::PUTS))?;
    let sample = Sample::default()
        .with(Figure::RequestsPerSecond, outcome.requests_per_second)
        .with_latency(&outcome.latency)
        .with(Figure::CpuUs, outcome.cpu_us.iter().sum())
        .with(Figure::LoadCpuUs, outcome.load_cpu_us)
        .with(Figure::OthersPercent, others.percent()?);
    // It does not count its connections; h2load keeps them.
    Ok((Terms { tls: false, keep_alive: keeps_alive(0, shape, outcome.requests)?, workers: 1 }, sample))
}
