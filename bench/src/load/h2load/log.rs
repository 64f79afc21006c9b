//! The log of `h2load`, one line per request: its start, in microseconds since 1970, its HTTP status, and its duration
//! in microseconds.

use std::ops::RangeInclusive;

use anyhow::Context as _;
use hdrhistogram::Histogram;

use crate::load::histogram;

/// The latencies of the requests that ended within a window, in microseconds.
pub(super) fn within(log: &str, window_us: RangeInclusive<u64>) -> anyhow::Result<Histogram<u64>> {
    let mut latency = histogram()?;
    for line in log.lines() {
        let (began_us, took_us) = read(line).with_context(|| format!("h2load logged {line:?}"))?;
        if window_us.contains(&(began_us + took_us)) {
            latency.record(took_us)?;
        }
    }
    Ok(latency)
}

fn read(line: &str) -> Option<(u64, u64)> {
    let mut fields = line.split('\t');
    let (began_us, took_us) = (fields.next()?, fields.nth(1)?);
    Some((began_us.parse().ok()?, took_us.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str =
        "1795424822547965\t200\t4340\n1795424822547983\t200\t10\n1795424822549000\t200\t20\n";

    #[test]
    fn requests_count_that_ended_within_the_window() {
        let begin = 1_795_424_822_547_000;
        let latency = within(SAMPLE, begin..=begin + 2020).unwrap();
        assert_eq!((latency.len(), latency.min(), latency.max()), (2, 10, 20));
        assert_eq!(within(SAMPLE, begin..=begin + 10_000).unwrap().len(), 3);
        assert!(within("garbage\n", 0..=1).is_err());
    }
}
