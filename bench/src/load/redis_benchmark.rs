//! `redis-benchmark`, the closed-loop generator for Redis: one command at a time on each connection.

use anyhow::{Context as _, ensure};

use super::run;
use crate::process::Place;

/// A load.
#[derive(Clone, Debug)]
pub(crate) struct RedisBenchmark<'a> {
    /// The command and its arguments.
    pub(crate) command: &'a [&'a str],
    pub(crate) connections: usize,
    pub(crate) requests: u64,
    pub(crate) place: Place,
}

/// The result of a load. The histograms stay within the tool, so there is no p99.9.
#[derive(Debug, PartialEq)]
pub(crate) struct RedisOutcome {
    pub(crate) requests: u64,
    pub(crate) requests_per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

impl RedisBenchmark<'_> {
    /// Runs it to its end. Fails if any command failed.
    pub(crate) fn run(&self, address: &str) -> anyhow::Result<RedisOutcome> {
        let (host, port) = address.rsplit_once(':').context("an address has a port")?;
        let mut command = self.place.command("redis-benchmark");
        command
            .args(["-h", host, "-p", port, "-P", "1", "--csv", "--precision", "3"])
            .args(["-c", &self.connections.to_string(), "-n", &self.requests.to_string()])
            .args(self.command);
        let output = run("redis-benchmark", command)?;
        let fields = parse(&output).with_context(|| format!("redis-benchmark printed:\n{output}"))?;
        let [requests_per_second, p50_ms, p99_ms] = fields;
        let (p50_us, p99_us) = (p50_ms * 1000.0, p99_ms * 1000.0);
        Ok(RedisOutcome { requests: self.requests, requests_per_second, p50_us, p99_us })
    }
}

/// Requests per second, p50 and p99 in milliseconds. Fields are found by their heads; the first one, the command, may
/// contain commas.
fn parse(output: &str) -> anyhow::Result<[f64; 3]> {
    let mut lines = output.lines().filter(|line| line.starts_with('"')).map(|line| line.trim_matches('"'));
    let heads: Vec<_> = lines.next().context("no heads")?.split("\",\"").collect();
    let fields: Vec<_> = lines.next().context("no figures")?.split("\",\"").collect();
    ensure!(heads.len() == fields.len(), "heads and figures differ in number");
    let field = |name: &str| {
        let place = heads.iter().position(|head| *head == name);
        let place = place.with_context(|| format!("no head {name}"))?;
        anyhow::Ok(fields[place].parse::<f64>()?)
    };
    Ok([field("rps")?, field("p50_latency_ms")?, field("p99_latency_ms")?])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "\
\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"
\"GET bench, or not\",\"52631.58\",\"0.641\",\"0.240\",\"0.615\",\"0.879\",\"1.063\",\"2.015\"
";

    #[test]
    fn the_figures_are_read_by_their_heads() {
        assert_eq!(parse(SAMPLE).unwrap(), [52631.58, 0.615, 1.063]);
    }

    #[test]
    fn output_without_figures_is_refused() {
        assert!(parse("").is_err());
        assert!(parse("Error from server: ERR unknown command\n").is_err());
    }
}
