//! `h2load`, the neutral closed-loop generator for gRPC. It does not read gRPC's status, so an error shows as an answer
//! of the wrong size: the bytes that came are compared with those that a right answer has.

use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;

use super::{Outcome, Shape, Until, histogram, run};
use crate::call::Call;
use crate::process::Place;

/// A load.
#[derive(Clone, Debug)]
pub(crate) struct H2load {
    pub(crate) call: Call,
    pub(crate) shape: Shape,
    pub(crate) until: Until,
    pub(crate) place: Place,
}

impl H2load {
    /// Runs it to its end. Fails if any call did.
    pub(crate) fn run(&self, address: &str) -> anyhow::Result<Outcome> {
        let folder = tempfile::tempdir()?;
        let log = folder.path().join("requests.log");
        let mut command = self.command(address, folder.path())?;
        command.arg(format!("--log-file={}", log.display()));
        let (output, cpu) = run("h2load", command)?;
        let summary = Summary::parse(&output).with_context(|| format!("h2load printed:\n{output}"))?;
        summary.check(&self.call, self.shape)?;
        let latency = latencies(&std::fs::read_to_string(&log)?)?;
        let (requests, requests_per_second) = (summary.done, summary.requests_per_second);
        Ok(Outcome { requests, requests_per_second, latency, cpu })
    }

    /// Starts it without looking at what comes of it; dropping ends it.
    pub(crate) fn start(&self, address: &str) -> anyhow::Result<Background> {
        let folder = tempfile::tempdir()?;
        let mut command = self.command(address, folder.path())?;
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Background { child, _folder: folder })
    }

    fn command(&self, address: &str, folder: &Path) -> anyhow::Result<std::process::Command> {
        let body = folder.join("body");
        std::fs::write(&body, self.call.body()?)?;
        let mut command = self.place.command("h2load");
        match self.until {
            Until::Passed(time) => command.args(["-D", &time.as_secs().max(1).to_string()]),
            Until::Done(requests) => command.args(["-n", &requests.to_string()]),
        };
        command
            .args(["-t", "1", "-c", &self.shape.connections.to_string()])
            .args(["-m", &self.shape.streams.to_string()])
            .args(["-H", "content-type: application/grpc", "-H", "te: trailers"])
            .arg("-d")
            .arg(body)
            .arg(format!("http://{address}{}", self.call.path()));
        Ok(command)
    }
}

/// A load that runs beside others.
#[derive(Debug)]
pub(crate) struct Background {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Background {
    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `h2load` says at its end.
#[derive(Debug, PartialEq)]
struct Summary {
    requests_per_second: f64,
    done: u64,
    succeeded: u64,
    failed: u64,
    errored: u64,
    timeout: u64,
    /// Answers with a status of 200 to 299.
    good: u64,
    /// Bytes of all bodies, those of answers that were not whole at the end included.
    data_bytes: u64,
}

impl Summary {
    fn parse(output: &str) -> anyhow::Result<Self> {
        let line = |start: &str| {
            let found = output.lines().find_map(|line| line.strip_prefix(start));
            found.with_context(|| format!("h2load did not print {start:?}"))
        };
        let finished = line("finished in ")?;
        let per_second = finished.split(", ").find_map(|part| part.strip_suffix(" req/s"));
        let requests = line("requests: ")?;
        let traffic = line("traffic: ")?;
        let data = traffic.split(", ").find(|part| part.ends_with(" data"));
        let data = data.and_then(|part| part.split(['(', ')']).nth(1)).context("no bytes of data")?;
        Ok(Self {
            requests_per_second: per_second.context("no req/s")?.parse()?,
            done: count(requests, "done")?,
            succeeded: count(requests, "succeeded")?,
            failed: count(requests, "failed")?,
            errored: count(requests, "errored")?,
            timeout: count(requests, "timeout")?,
            good: count(line("status codes: ")?, "2xx")?,
            data_bytes: data.parse()?,
        })
    }

    fn check(&self, call: &Call, shape: Shape) -> anyhow::Result<()> {
        let lost = self.failed + self.errored + self.timeout;
        ensure!(
            self.done > 0 && lost == 0 && self.succeeded == self.done,
            "calls failed under load: {self:?}"
        );
        let cut_off = u64::try_from(shape.in_flight())?;
        ensure!((self.done..=self.done + cut_off).contains(&self.good), "answers were not 2xx: {self:?}");
        let answer_bytes = u64::try_from(call.answer_bytes()?)?;
        let expected = self.done * answer_bytes..=(self.done + cut_off) * answer_bytes;
        ensure!(
            expected.contains(&self.data_bytes),
            "answers were of the wrong size, {answer_bytes} bytes expected for each: {self:?}"
        );
        Ok(())
    }
}

/// The number before a word, as in `82037 done`.
fn count(line: &str, word: &str) -> anyhow::Result<u64> {
    let part = line.split(", ").find_map(|part| part.strip_suffix(word));
    Ok(part.with_context(|| format!("no number of {word}"))?.trim().parse()?)
}

/// The lines of the log: when, status, microseconds.
fn latencies(log: &str) -> anyhow::Result<Histogram<u64>> {
    let mut latency = histogram()?;
    for line in log.lines() {
        let us = line.rsplit('\t').next().unwrap_or_default();
        latency.record(us.parse().with_context(|| format!("h2load logged {line:?}"))?)?;
    }
    Ok(latency)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "\
Main benchmark duration is over for thread #0. Stopping all clients.
Stopped all clients for thread #0

finished in 2.01s, 23063.00 req/s, 3.04MB/s
requests: 46126 total, 46190 started, 46126 done, 46126 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 46126 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 6.08MB (6374540) total, 140.32KB (143690) headers (space savings 95.61%), 4.71MB (4935482) data
                     min         max         mean         sd        +/- sd
time for request:      565us      7.23ms      2.64ms       798us    82.03%
";

    fn sample() -> Summary {
        Summary::parse(SAMPLE).unwrap()
    }

    #[test]
    fn the_summary_is_read() {
        let expected = Summary {
            requests_per_second: 23063.0,
            done: 46126,
            succeeded: 46126,
            failed: 0,
            errored: 0,
            timeout: 0,
            good: 46126,
            data_bytes: 4_935_482,
        };
        assert_eq!(sample(), expected);
        sample().check(&Call::get(100), Shape::SPREAD).unwrap();
        assert!(Summary::parse("spawning thread #0").is_err());
    }

    #[test]
    fn failures_and_short_answers_are_refused() {
        let check = |summary: Summary| summary.check(&Call::get(100), Shape::SPREAD).unwrap_err().to_string();
        assert!(check(Summary { errored: 1, ..sample() }).contains("failed under load"));
        assert!(check(Summary { done: 0, ..sample() }).contains("failed under load"));
        assert!(check(Summary { good: 46125, ..sample() }).contains("not 2xx"));
        assert!(check(Summary { data_bytes: 46125 * 107, ..sample() }).contains("wrong size"));
    }

    #[test]
    fn the_log_becomes_a_histogram() {
        let latency = latencies("1795422824547965\t200\t4340\n1795422824547983\t200\t10\n").unwrap();
        assert_eq!((latency.len(), latency.min()), (2, 10));
        assert!(latencies("garbage\n").is_err());
    }
}
