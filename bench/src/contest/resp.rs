//! Measurements of servers that speak Redis' protocol, by `redis-benchmark`.

use std::time::Duration;

use anyhow::ensure;

use super::keeps_alive;
use crate::call::{VALUE_BYTES, value_text};
use crate::contender::{Contender, redis};
use crate::load::Shape;
use crate::load::redis_benchmark::RedisBenchmark;
use crate::process::{Others, Place};
use crate::results::{Figure, Sample, Terms};

/// Requests of the trial that determines how many a measurement takes.
const TRIAL_REQUESTS: u64 = 10_000;

/// One measurement of a contender, after a value that is stored and read back. `backend` is the Redis that serves, the
/// contender itself if there is nothing behind it.
pub(crate) fn measure(
    contender: &Contender,
    backend: &Contender,
    command: &[&str],
    shape: Shape,
    time: Duration,
    place: Place,
) -> anyhow::Result<(Terms, Sample)> {
    let value = value_text(VALUE_BYTES);
    let mut through = redis::Connection::open(&contender.address)?;
    ensure!(through.call(&["SET", "bench", &value])? == ["OK"], "{} does not store", contender.name);
    ensure!(through.call(&["GET", "bench"])? == [value], "{} returned the wrong value", contender.name);
    let mut connection = redis::Connection::open(&backend.address)?;
    let load = |requests| {
        RedisBenchmark { command, connections: shape.connections, requests, place }.run(&contender.address)
    };
    let trial = load(TRIAL_REQUESTS)?;
    let requests = (trial.requests_per_second * time.as_secs_f64()) as u64;
    let accepted_before = connection.connections_accepted()?;
    let others = Others::begin()?;
    let cpu = || anyhow::Ok([contender.process.cpu()?, backend.process.cpu()?]);
    let before = cpu()?;
    let outcome = load(requests.max(TRIAL_REQUESTS))?;
    let requests = outcome.requests;
    let after = cpu()?;
    let per_request = |at: usize| (after[at] - before[at]).as_secs_f64() * 1e6 / requests as f64;
    let accepted = connection.connections_accepted()?.saturating_sub(accepted_before);
    let keep_alive = keeps_alive(accepted, shape, requests)?;
    let mut sample = Sample::default()
        .with(Figure::RequestsPerSecond, outcome.requests_per_second)
        .with(Figure::P50Us, outcome.p50_us)
        .with(Figure::P99Us, outcome.p99_us)
        .with(Figure::CpuUs, per_request(0))
        .with(Figure::OthersPercent, others.percent()?);
    if !std::ptr::eq(contender, backend) {
        sample = sample.with(Figure::BackendCpuUs, per_request(1));
    }
    Ok((Terms { tls: false, keep_alive, workers: contender.workers()? }, sample))
}
