//! The results of a load as text: a table, errors, and a histogram.

use std::io::{self, Write};

use super::histogram;
use super::micros::time;
use super::report::{CallReport, Latency, Report};
use crate::output::Answer;

/// A generator that was later than this did not keep up.
const LATE_US_MAX: u64 = 100_000;

/// One line of the table.
struct Row<'a> {
    name: &'a str,
    requests: u64,
    errors: u64,
    requests_per_second: f64,
    bytes_per_second: f64,
    latency: &'a Latency,
}

impl Answer for Report {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        let pace = match self.rate {
            Some(rate) => format!("open loop of {rate} requests/s"),
            None => "closed loop".to_owned(),
        };
        writeln!(
            out,
            "{}: {pace}, {} connections x {} streams, {} threads, {:.1} s\n",
            self.endpoint, self.connections, self.streams, self.threads, self.duration_seconds
        )?;
        self.table(out)?;
        self.remarks(out)?;
        if !self.histogram.is_empty() {
            writeln!(out, "\n  {:>11}  {:>10}", "latency", "requests")?;
            histogram::text(out, &self.histogram)?;
        }
        Ok(())
    }
}

impl Report {
    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{:<10} {:>10} {:>8} {:>10} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
            "call", "requests", "errors", "req/s", "MB/s", "p50", "p90", "p99", "p99.9", "max"
        )?;
        for call in &self.calls {
            Row::of_call(call).write(out)?;
        }
        if self.calls.len() > 1 {
            let all = Row {
                name: "all",
                requests: self.requests,
                errors: self.errors.values().sum(),
                requests_per_second: self.requests_per_second,
                bytes_per_second: self.bytes_per_second,
                latency: &self.latency_us,
            };
            all.write(out)?;
        }
        Ok(())
    }

    /// What a reader of the table needs to know in addition.
    fn remarks(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.errors.is_empty() && self.not_found == 0 && self.rate.is_none() {
            return Ok(());
        }
        writeln!(out)?;
        if !self.errors.is_empty() {
            let errors: Vec<_> = self.errors.iter().map(|(code, count)| format!("{code} {count}")).collect();
            writeln!(out, "errors: {}", errors.join(", "))?;
        }
        if self.not_found > 0 {
            writeln!(out, "not found: {} calls found no key", self.not_found)?;
        }
        if self.rate.is_some() {
            writeln!(
                out,
                "late: requests were sent up to {} after they were due",
                time(self.late_us_max as f64)
            )?;
            if self.unsent > 0 {
                writeln!(out, "unsent: {} requests that were due", self.unsent)?;
            }
            if self.unsent > 0 || self.late_us_max > LATE_US_MAX {
                writeln!(
                    out,
                    "the load did not keep up with its rate: every stream was waiting for the server, or this machine is overloaded"
                )?;
            }
        }
        Ok(())
    }
}

impl<'a> Row<'a> {
    fn of_call(call: &'a CallReport) -> Self {
        Self {
            name: call.name,
            requests: call.requests,
            errors: call.errors,
            requests_per_second: call.requests_per_second,
            bytes_per_second: call.bytes_per_second,
            latency: &call.latency_us,
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(
            out,
            "{:<10} {:>10} {:>8} {:>10.0} {:>8.2}",
            self.name,
            self.requests,
            self.errors,
            self.requests_per_second,
            self.bytes_per_second / 1e6
        )?;
        let Latency { p50, p90, p99, p999, max, .. } = *self.latency;
        for latency in [p50, p90, p99, p999, max] {
            write!(out, " {:>8}", time(latency).to_string())?;
        }
        writeln!(out)
    }
}
