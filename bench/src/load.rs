//! The load generators, each a separate process.

pub(crate) mod h2load;
pub(crate) mod prism_bench;
pub(crate) mod redis_benchmark;
pub(crate) mod tasks;

use std::fmt;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;

/// How many calls are in flight at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    /// On each connection.
    pub(crate) streams: usize,
}

impl Shape {
    /// One call at a time.
    pub(crate) const SINGLE: Self = Self { connections: 1, streams: 1 };
    /// A few applications that make many calls.
    pub(crate) const SHARED: Self = Self { connections: 4, streams: 16 };
    /// Many applications that make one call at a time.
    pub(crate) const SPREAD: Self = Self { connections: 64, streams: 1 };

    /// The number of calls in flight.
    pub(crate) fn in_flight(self) -> usize {
        self.connections * self.streams
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}", self.connections, self.streams)
    }
}

/// An empty histogram of microseconds with three significant digits.
pub(crate) fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new(3)?)
}

/// Runs a generator to its end and returns its output.
fn run(name: &str, mut command: Command) -> anyhow::Result<String> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("{name} cannot be started"))?;
    let (said, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{name} failed: {}\n{said}{complaint}", output.status);
    Ok(said.into_owned())
}
