//! The output of `h2load`, and whether all calls succeeded.

use anyhow::{Context as _, ensure};

use crate::call::Call;
use crate::load::Shape;

/// The figures of the whole load.
#[derive(Debug, PartialEq)]
pub(super) struct Summary {
    done: u64,
    succeeded: u64,
    failed: u64,
    errored: u64,
    timeout: u64,
    /// Responses with a status of 200 to 299.
    good: u64,
    /// Bytes of all bodies, including those of responses that were incomplete at the end.
    data_bytes: u64,
}

impl Summary {
    /// Parses the output.
    pub(super) fn parse(output: &str) -> anyhow::Result<Self> {
        let line = |start: &str| {
            let found = output.lines().find_map(|line| line.strip_prefix(start));
            found.with_context(|| format!("h2load did not print {start:?}"))
        };
        let requests = line("requests: ")?;
        let traffic = line("traffic: ")?;
        let data = traffic.split(", ").find(|part| part.ends_with(" data"));
        let data = data.and_then(|part| part.split(['(', ')']).nth(1)).context("no bytes of data")?;
        Ok(Self {
            done: count(requests, "done")?,
            succeeded: count(requests, "succeeded")?,
            failed: count(requests, "failed")?,
            errored: count(requests, "errored")?,
            timeout: count(requests, "timeout")?,
            good: count(line("status codes: ")?, "2xx")?,
            data_bytes: data.parse()?,
        })
    }

    /// Fails if any call failed, or if responses did not have the right length.
    pub(super) fn check(&self, call: &Call, shape: Shape) -> anyhow::Result<()> {
        let lost = self.failed + self.errored + self.timeout;
        ensure!(
            self.done > 0 && lost == 0 && self.succeeded == self.done,
            "calls failed under load: {self:?}"
        );
        let cut_off = u64::try_from(shape.in_flight())?;
        ensure!((self.done..=self.done + cut_off).contains(&self.good), "responses were not 2xx: {self:?}");
        let answer_bytes = call.answer_bytes()?;
        let (least, most) = (u64::try_from(*answer_bytes.start())?, u64::try_from(*answer_bytes.end())?);
        let expected = self.done * least..=(self.done + cut_off) * most;
        ensure!(
            expected.contains(&self.data_bytes),
            "responses had the wrong size, {least} to {most} bytes expected for each: {self:?}"
        );
        Ok(())
    }
}

/// The number before a word, as in `82037 done`.
fn count(line: &str, word: &str) -> anyhow::Result<u64> {
    let part = line.split(", ").find_map(|part| part.strip_suffix(word));
    Ok(part.with_context(|| format!("no number of {word}"))?.trim().parse()?)
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
}
