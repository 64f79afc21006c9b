//! A measured server process: its start, its cores, its CPU time and memory, and its end.

mod others;
mod stat;

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

pub(crate) use others::Others;
pub(crate) use stat::cpu as cpu_of;

/// How long a server may take to listen.
const READY_MAX: Duration = Duration::from_secs(20);
/// How long it may take to end when signalled; then it is killed.
const STOP_MAX: Duration = Duration::from_secs(10);

/// Where a process may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On every core.
    Anywhere,
    /// On the first core only.
    FirstCore,
    /// On every core except the first.
    OtherCores,
}

impl Place {
    /// The cores, in the syntax of `taskset`.
    fn cores(self) -> String {
        let last = cores() - 1;
        match self {
            Self::Anywhere => format!("0-{last}"),
            Self::FirstCore => "0".to_owned(),
            Self::OtherCores => format!("1-{last}"),
        }
    }

    /// A command that runs there.
    pub(crate) fn command(self, program: impl AsRef<Path>) -> Command {
        if self == Self::Anywhere {
            return Command::new(program.as_ref());
        }
        let mut command = Command::new("taskset");
        command.args(["-c", &self.cores()]).arg(program.as_ref());
        command
    }
}

/// The cores of this machine.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// How a server reports that it listens.
#[derive(Clone, Debug)]
pub(crate) enum Ready {
    /// It prints a line with `grpc=ADDRESS`.
    Line,
    /// It accepts connections at this address.
    Accepts(String),
}

/// A running server. Signalled to end, and awaited, when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    /// Processes that it started, measured with it.
    children: Vec<u32>,
    /// The words of its ready line.
    line: String,
    ready_after: Duration,
}

impl Process {
    /// Starts a command and waits until it listens. Its log goes to a file in `folder`.
    pub(crate) fn start(
        name: &str,
        mut command: Command,
        ready: &Ready,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        command.stdin(Stdio::null()).stderr(File::create(&log)?);
        let stdout = if matches!(ready, Ready::Line) { Stdio::piped() } else { Stdio::null() };
        let begun = Instant::now();
        let child = command.stdout(stdout).spawn().with_context(|| format!("{name} cannot be started"))?;
        let mut process = Self {
            name: name.to_owned(),
            child,
            children: Vec::new(),
            line: String::new(),
            ready_after: Duration::ZERO,
        };
        process.wait_until(ready).with_context(|| {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            format!("{name} did not start; it logged:\n{log}")
        })?;
        process.ready_after = begun.elapsed();
        Ok(process)
    }

    fn wait_until(&mut self, ready: &Ready) -> anyhow::Result<()> {
        let begun = Instant::now();
        match ready {
            Ready::Line => {
                let stdout = self.child.stdout.take().context("stdout is piped")?;
                BufReader::new(stdout).read_line(&mut self.line)?;
                ensure!(self.line.contains(" ready "), "it did not report that it is ready: {:?}", self.line);
            }
            Ready::Accepts(address) => {
                while std::net::TcpStream::connect(address).is_err() {
                    if let Some(status) = self.child.try_wait()? {
                        bail!("it ended: {status}");
                    }
                    ensure!(begun.elapsed() < READY_MAX, "nothing listens on {address}");
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        }
        Ok(())
    }

    /// Waits until it has started `count` processes, which are measured with it from then on.
    pub(crate) fn find_children(&mut self, count: usize) -> anyhow::Result<()> {
        let begun = Instant::now();
        while self.children.len() < count {
            ensure!(begun.elapsed() < READY_MAX, "{} has not started {count} processes", self.name);
            std::thread::sleep(Duration::from_millis(5));
            self.children = stat::children_of(self.child.id())?;
        }
        Ok(())
    }

    /// The time from its start until it listened.
    pub(crate) fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// The value of `name`, such as `grpc`, in its ready line.
    pub(crate) fn said(&self, name: &str) -> Option<&str> {
        let word = |word: &'_ str| word.split_once('=').is_some_and(|(known, _)| known == name);
        let found = self.line.split_whitespace().find(|said| word(said))?;
        found.split_once('=').map(|(_, value)| value)
    }

    /// The CPU time that it and its children have used so far, in user and system mode.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        self.pids().map(stat::cpu).sum()
    }

    /// The resident memory of it and its children.
    pub(crate) fn rss_bytes(&self) -> anyhow::Result<u64> {
        self.pids().map(stat::rss_bytes).sum()
    }

    /// The number of its threads whose name has this prefix.
    pub(crate) fn threads(&self, prefix: &str) -> anyhow::Result<usize> {
        stat::threads(self.child.id(), prefix)
    }

    /// The number of processes that it has started.
    pub(crate) fn children(&self) -> usize {
        self.children.len()
    }

    /// Moves all of its threads.
    pub(crate) fn move_to(&self, place: Place) -> anyhow::Result<()> {
        for pid in self.pids() {
            let mut taskset = Command::new("taskset");
            taskset.args(["-a", "-p", "-c", &place.cores(), &pid.to_string()]).stdout(Stdio::null());
            ensure!(taskset.status()?.success(), "{} cannot be moved to cores {}", self.name, place.cores());
        }
        Ok(())
    }

    fn pids(&self) -> impl Iterator<Item = u32> + '_ {
        std::iter::once(self.child.id()).chain(self.children.iter().copied())
    }

    /// Ends it at once, by SIGKILL.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("a PID is positive")?;
        kill_process(pid, Signal::TERM)?;
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > STOP_MAX {
                self.child.kill()?;
                self.child.wait()?;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("{} cannot be stopped: {error}", self.name);
        }
    }
}

/// A binary in the same folder as this one.
pub(crate) fn own_binary(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    ensure!(path.exists(), "{} is missing: run the benchmark by bench/run, which builds it", path.display());
    Ok(path)
}

/// A TCP address of this machine that nothing listens on, for servers that cannot choose a free port themselves.
pub(crate) fn free_address() -> anyhow::Result<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
