//! Get and Set, one at a time on each connection, compared with Redis.

use std::path::Path;

use anyhow::ensure;

use crate::call::{Call, VALUE_BYTES, value_text};
use crate::contender::{Contender, prism, redis};
use crate::contest::{self, progress};
use crate::load::Shape;
use crate::load::h2load::{H2load, Until};
use crate::load::redis_benchmark::RedisBenchmark;
use crate::plan::Plan;
use crate::process::Others;
use crate::results::{Case, Figure, Sample, Terms};

/// Requests of the trial that determines how many a measurement takes.
const TRIAL_REQUESTS: u64 = 10_000;

/// The name of a case.
pub(crate) fn case_id(call: &str, shape: Shape) -> String {
    format!("calls/{call}-{shape}")
}

/// Measures both, in turn.
pub(super) async fn run(plan: &Plan, folder: &Path) -> anyhow::Result<Vec<Case>> {
    let memstore = prism::memstore(plan.contender(1, folder))?;
    let redis = redis::start(plan.contender(1, folder))?;
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
                let (terms, sample) = against(&redis, command, &value, shape, plan)?;
                progress(round, plan.rounds, case, redis::NAME, &sample);
                case.record(redis::NAME, Some(terms), sample);
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

/// Redis under `redis-benchmark`.
fn against(
    redis: &Contender,
    command: &[&str],
    value: &str,
    shape: Shape,
    plan: &Plan,
) -> anyhow::Result<(Terms, Sample)> {
    let mut connection = redis::Connection::open(&redis.address)?;
    ensure!(connection.call(&["SET", "bench", value])? == ["OK"], "Redis does not store");
    ensure!(connection.call(&["GET", "bench"])? == [value], "Redis returned the wrong value");
    let load = |requests| {
        let (connections, place) = (shape.connections, plan.rest_place(1));
        RedisBenchmark { command, connections, requests, place }.run(&redis.address)
    };
    let trial = load(TRIAL_REQUESTS)?;
    let requests = (trial.requests_per_second * plan.time.as_secs_f64()) as u64;
    let accepted_before = connection.connections_accepted()?;
    let others = Others::begin()?;
    let cpu_before = redis.process.cpu()?;
    let outcome = load(requests.max(TRIAL_REQUESTS))?;
    let requests = outcome.requests;
    let cpu_us = (redis.process.cpu()? - cpu_before).as_secs_f64() * 1e6 / requests as f64;
    let accepted = connection.connections_accepted()?.saturating_sub(accepted_before);
    let keep_alive = contest::keeps_alive(accepted, shape, requests)?;
    let sample = Sample::default()
        .with(Figure::RequestsPerSecond, outcome.requests_per_second)
        .with(Figure::P50Us, outcome.p50_us)
        .with(Figure::P99Us, outcome.p99_us)
        .with(Figure::CpuUs, cpu_us)
        .with(Figure::OthersPercent, others.percent()?);
    Ok((Terms { tls: false, keep_alive, workers: redis.workers()? }, sample))
}
