//! The results of a load, in the form that scripts rely on.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use prism_proto::error::code_name;
use serde::{Serialize, Serializer};
use tonic::Code;

use super::figures::{CallFigures, Figures};
use super::histogram::{Bucket, buckets};
use super::plan::Plan;
use crate::exit::Exit;

/// The printed results.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) endpoint: String,
    /// `closed` or `open`.
    pub(super) mode: &'static str,
    pub(super) rate: Option<f64>,
    pub(super) connections: usize,
    pub(super) streams: usize,
    pub(super) threads: usize,
    pub(super) duration_seconds: f64,
    pub(super) requests: u64,
    pub(super) errors: BTreeMap<&'static str, u64>,
    pub(super) not_found: u64,
    pub(super) requests_per_second: f64,
    pub(super) bytes_per_second: f64,
    pub(super) latency_us: Latency,
    pub(super) late_us_max: u64,
    pub(super) unsent: u64,
    #[serde(serialize_with = "by_name")]
    pub(super) calls: Vec<CallReport>,
    pub(super) histogram: Vec<Bucket>,
}

/// The calls of one kind.
#[derive(Debug, Serialize)]
pub(super) struct CallReport {
    #[serde(skip)]
    pub(super) name: &'static str,
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) requests_per_second: f64,
    pub(super) bytes_per_second: f64,
    pub(super) latency_us: Latency,
}

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
    pub(super) mean: f64,
}

impl Report {
    pub(super) fn new(plan: &Plan, measured: Duration, figures: &Figures) -> Self {
        let kinds = plan.mix.kinds().iter();
        let calls: Vec<_> = kinds
            .zip(&figures.calls)
            .map(|(kind, call)| CallReport::new(kind.name(), measured, call))
            .collect();
        let latency = all_latencies(figures);
        Self {
            endpoint: plan.address.clone(),
            mode: if plan.rate.is_some() { "open" } else { "closed" },
            rate: plan.rate,
            connections: plan.connections,
            streams: plan.streams,
            threads: plan.threads,
            duration_seconds: rounded(measured.as_secs_f64(), 1000.0),
            requests: latency.len(),
            errors: figures.errors().map(|(code, count)| (code_name(code), count)).collect(),
            not_found: figures.not_found,
            requests_per_second: per_second(latency.len(), measured),
            bytes_per_second: per_second(figures.calls.iter().map(|call| call.bytes).sum(), measured),
            latency_us: Latency::new(&latency),
            late_us_max: u64::try_from(figures.late_max.as_micros()).unwrap_or(u64::MAX),
            unsent: figures.unsent,
            calls,
            histogram: buckets(&latency),
        }
    }
}

/// The exit code of a load: success if no call failed, unavailable if every failure was due to a server that could not
/// be reached or was too slow.
pub(super) fn exit(figures: &Figures) -> Exit {
    let is_absence = |code| matches!(code, Code::Unavailable | Code::DeadlineExceeded);
    match figures.errors().map(|(code, _)| code).collect::<Vec<_>>().as_slice() {
        [] => Exit::Success,
        codes if codes.iter().all(|code| is_absence(*code)) => Exit::Unavailable,
        _ => Exit::Failed,
    }
}

impl CallReport {
    fn new(name: &'static str, measured: Duration, call: &CallFigures) -> Self {
        Self {
            name,
            requests: call.latency.len(),
            errors: call.errors,
            requests_per_second: per_second(call.latency.len(), measured),
            bytes_per_second: per_second(call.bytes, measured),
            latency_us: Latency::new(&call.latency),
        }
    }
}

impl Latency {
    fn new(latency: &Histogram<u64>) -> Self {
        // The upper end of a bucket may exceed the longest latency.
        let quantile = |quantile| latency.value_at_quantile(quantile).min(latency.max()) as f64;
        let micros = |nanos: f64| rounded(nanos / 1000.0, 10.0);
        Self {
            p50: micros(quantile(0.5)),
            p90: micros(quantile(0.9)),
            p99: micros(quantile(0.99)),
            p999: micros(quantile(0.999)),
            max: micros(latency.max() as f64),
            mean: micros(latency.mean()),
        }
    }
}

fn all_latencies(figures: &Figures) -> Histogram<u64> {
    let mut calls = figures.calls.iter().map(|call| &call.latency);
    let mut all = calls.next().expect("a mix has a call").clone();
    for latency in calls {
        // Histograms of the same bounds can always be added.
        let _ = all.add(latency);
    }
    all
}

fn rounded(number: f64, parts: f64) -> f64 {
    (number * parts).round() / parts
}

fn per_second(count: u64, measured: Duration) -> f64 {
    if measured.is_zero() { 0.0 } else { rounded(count as f64 / measured.as_secs_f64(), 10.0) }
}

fn by_name<S: Serializer>(calls: &[CallReport], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(calls.iter().map(|call| (call.name, call)))
}
