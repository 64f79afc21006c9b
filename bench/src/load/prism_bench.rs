//! `prism bench`, the open-loop generator: requests are due at fixed moments whether or not earlier ones have been
//! answered, and their latency counts from then, so that a stall is not hidden.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use super::{Shape, run};
use crate::call::KEY_BYTES;
use crate::process::{Place, own_binary};
use crate::results::{Figure, Sample};

/// A load.
#[derive(Clone, Debug)]
pub(crate) struct PrismBench {
    /// The mix, such as `get` or `get=80,set=20`.
    pub(crate) calls: &'static str,
    pub(crate) shape: Shape,
    /// Requests per second; without a rate, a closed loop.
    pub(crate) rate: Option<f64>,
    pub(crate) time: Duration,
    pub(crate) keys: usize,
    /// The prefix of keys that are there already, and stay; `None`: the load stores and removes its own.
    pub(crate) prefix: Option<&'static str>,
    /// The time to live of stored values, such as `1h`.
    pub(crate) ttl: Option<&'static str>,
    pub(crate) place: Place,
}

/// The result of a load.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) requests_per_second: f64,
    pub(crate) latency_us: LatencyUs,
    /// The longest time that a request was sent after it was due.
    pub(crate) late_us_max: f64,
    /// The share of requests that were due but never sent, because all streams waited for responses.
    unsent_share: f64,
    /// The duration of the measurement.
    whole_us: f64,
    /// Upper bound in microseconds, and count.
    pub(crate) histogram: Vec<(u64, u64)>,
}

/// Latencies, in microseconds.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct LatencyUs {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

impl Outcome {
    /// As figures of a measurement. A request that was due but never sent counts with the whole measurement's time.
    pub(crate) fn sample(&self) -> Sample {
        let LatencyUs { p50, p99, p999 } = self.latency_us;
        let latency_us = |quantile, us| if self.unsent_share > 1.0 - quantile { self.whole_us } else { us };
        Sample::default()
            .with(Figure::RequestsPerSecond, self.requests_per_second)
            .with(Figure::P50Us, latency_us(0.5, p50))
            .with(Figure::P99Us, latency_us(0.99, p99))
            .with(Figure::P999Us, latency_us(0.999, p999))
            .with(Figure::LateUs, self.late_us_max)
    }
}

/// Its output.
#[derive(Debug, Deserialize)]
struct Report {
    duration_seconds: f64,
    requests: u64,
    errors: BTreeMap<String, u64>,
    /// Responds that the key does not exist.
    not_found: u64,
    /// Requests that were due but never sent.
    unsent: u64,
    requests_per_second: f64,
    late_us_max: f64,
    latency_us: LatencyUs,
    histogram: Vec<(f64, u64)>,
}

impl PrismBench {
    /// Runs it to its end. Fails if any call failed.
    pub(crate) fn run(&self, address: &str) -> anyhow::Result<Outcome> {
        let mut command = self.place.command(own_binary("prism")?);
        command
            .args(["bench", address, "--calls", self.calls])
            .args(["--connections", &self.shape.connections.to_string()])
            .args(["--streams", &self.shape.streams.to_string()])
            .args(["--keys", &self.keys.to_string()])
            .args(["--duration", &format!("{}ms", self.time.as_millis()), "--warmup", "500ms"])
            .args(["--value-bytes", "100", "--threads", "1", "-o", "json"]);
        if let Some(prefix) = self.prefix {
            let digits = (KEY_BYTES - prefix.len()).to_string();
            command.args(["--prefix", prefix, "--key-bytes", &digits, "--no-fill", "--keep"]);
        }
        if let Some(rate) = self.rate {
            command.args(["--rate", &format!("{rate:.0}")]);
        }
        if let Some(ttl) = self.ttl {
            command.args(["--ttl", ttl]);
        }
        let output = run("prism bench", command)?;
        parse(&output).with_context(|| format!("prism bench printed:\n{output}"))
    }
}

fn parse(output: &str) -> anyhow::Result<Outcome> {
    let report: Report = serde_json::from_str(output)?;
    ensure!(report.requests > 0, "no call was made");
    ensure!(report.errors.values().all(|count| *count == 0), "calls failed: {:?}", report.errors);
    ensure!(report.not_found == 0, "{} keys were missing", report.not_found);
    let histogram: Vec<_> =
        report.histogram.iter().map(|(upper_us, count)| (upper_us.round() as u64, *count)).collect();
    Ok(Outcome {
        requests_per_second: report.requests_per_second,
        latency_us: report.latency_us,
        late_us_max: report.late_us_max,
        unsent_share: report.unsent as f64 / (report.requests + report.unsent) as f64,
        whole_us: report.duration_seconds * 1e6,
        histogram,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"{"duration_seconds":2.0,"requests":4,"errors":{},"not_found":0,"unsent":0,"requests_per_second":2.0,"late_us_max":17,
        "latency_us":{"p50":100,"p90":300,"p99":300,"p999":300,"max":300,"mean":150.0},
        "histogram":[[100,3],[300,1]]}"#;

    #[test]
    fn the_report_is_read() {
        let read = parse(SAMPLE).unwrap();
        assert_eq!(read.histogram, [(100, 3), (300, 1)]);
        assert_eq!(read.latency_us.p99, 300.0);
        assert_eq!((read.requests_per_second, read.late_us_max), (2.0, 17.0));
    }

    #[test]
    fn errors_and_silence_are_refused() {
        let erred = SAMPLE.replace("\"errors\":{}", "\"errors\":{\"UNAVAILABLE\":2}");
        assert!(parse(&erred).unwrap_err().to_string().contains("calls failed"));
        let silent = SAMPLE.replace("\"requests\":4", "\"requests\":0");
        assert!(parse(&silent).unwrap_err().to_string().contains("no call"));
    }

    #[test]
    fn requests_that_were_never_sent_took_all_the_time() {
        let late = SAMPLE.replace("\"unsent\":0", "\"unsent\":1");
        let sample = parse(&late).unwrap().sample();
        assert_eq!(sample.figures[&Figure::P50Us], 100.0);
        assert_eq!(sample.figures[&Figure::P99Us], 2e6);
    }
}
