//! The processes that are measured: started on free ports, and their CPU time read from `/proc`.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// A running server. Killed when dropped.
pub(crate) struct Contender {
    child: Child,
    /// Where it serves gRPC.
    pub(crate) address: String,
    /// From its start to its ready line.
    pub(crate) ready_after: Duration,
}

impl Contender {
    /// Starts a binary that lies beside this one and waits for its ready line.
    pub(crate) fn start(name: &str, arguments: &[&str]) -> anyhow::Result<Self> {
        let path = std::env::current_exe()?.with_file_name(name);
        if !Path::new(&path).exists() {
            bail!("{} is missing: run cargo build --release --workspace --bins", path.display());
        }
        let begun = Instant::now();
        let mut child = Command::new(&path)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be started", path.display()))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("stdout is piped")?).read_line(&mut line)?;
        let address = line.split_whitespace().find_map(|word| word.strip_prefix("grpc="));
        let address = address.with_context(|| format!("{name} did not say where it listens"))?.to_owned();
        Ok(Self { child, address, ready_after: begun.elapsed() })
    }

    /// The CPU time it has used so far, in user and system mode.
    pub(crate) fn cpu_time(&self) -> anyhow::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The second field, the name, is in parentheses and may hold anything; utime and stime are the 14th and 15th.
        let after_name = stat.rsplit_once(')').context("/proc/PID/stat has a name")?.1;
        let fields: Vec<_> = after_name.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        Ok(Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second())?)
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
