//! `h2load`, the neutral closed-loop generator for gRPC. It does not read gRPC's status, so an error shows as a
//! response of the wrong size: the bytes received are compared with those of correct responses.
//!
//! Rates and CPU times are those of a window that starts once the connections are up; the store counts the calls within
//! it. Latencies are those of another run, because logging costs `h2load` as much time as a request: one write each,
//! which makes it send only a few at a time.

mod log;
mod summary;

use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;

use super::{Shape, histogram};
use crate::call::Call;
use crate::contender::{Contender, Secure};
use crate::process::{Place, Process, cpu_of};
use summary::Summary;

/// How long connections may take to come up, in total and once more for each of them.
const CONNECT_MAX: Duration = Duration::from_millis(300);
const CONNECT_ONE_MAX: Duration = Duration::from_micros(500);
/// The maximum duration of the latency log.
const LOGGED_MAX: Duration = Duration::from_millis(500);
/// The cipher suite where there is TLS: the only one it offers, so that all contenders use it.
const CIPHER: &str = "TLS_AES_128_GCM_SHA256";
/// How long the load continues after the window.
const TAIL: Duration = Duration::from_millis(50);

/// A load.
#[derive(Clone, Debug)]
pub(crate) struct H2load {
    pub(crate) call: Call,
    pub(crate) shape: Shape,
    pub(crate) until: Until,
    pub(crate) place: Place,
}

/// When a load ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// After a time, the window.
    Passed(Duration),
    /// After this many requests; the window is the whole run.
    Done(u64),
}

/// The result of a load.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    pub(crate) requests_per_second: f64,
    /// In microseconds.
    pub(crate) latency: Histogram<u64>,
    /// CPU time per request, in microseconds, of each watched process.
    pub(crate) cpu_us: Vec<f64>,
    /// And that of the generator.
    pub(crate) load_cpu_us: f64,
}

/// Returns how many calls have reached the backend so far.
pub(crate) type Calls<'a> = &'a dyn Fn() -> anyhow::Result<u64>;

/// A moment: the time, and the CPU times and calls so far.
#[derive(Debug)]
struct Mark {
    at: SystemTime,
    cpu: Vec<Duration>,
    load_cpu: Duration,
    calls: u64,
}

impl Mark {
    fn now(watched: &[&Process], load: Option<u32>, calls: Calls<'_>) -> anyhow::Result<Self> {
        let cpu = watched.iter().map(|process| process.cpu()).collect::<anyhow::Result<_>>()?;
        let load_cpu = load.map_or(Ok(Duration::ZERO), cpu_of)?;
        Ok(Self { at: SystemTime::now(), cpu, load_cpu, calls: calls()? })
    }

    fn us(&self) -> anyhow::Result<u64> {
        Ok(u64::try_from(self.at.duration_since(UNIX_EPOCH)?.as_micros())?)
    }
}

impl H2load {
    /// Runs it to its end, and measures the CPU time of servers meanwhile. Fails if any call failed.
    pub(crate) fn run(
        &self,
        contender: &Contender,
        watched: &[&Process],
        calls: Calls<'_>,
    ) -> anyhow::Result<Outcome> {
        let (begin, end) = self.measure(contender, watched, calls, None)?;
        let requests = end.calls.saturating_sub(begin.calls);
        let per_request = |begin: &Duration, end: &Duration| {
            end.saturating_sub(*begin).as_secs_f64() * 1e6 / requests.max(1) as f64
        };
        Ok(Outcome {
            requests,
            requests_per_second: requests as f64 / end.at.duration_since(begin.at)?.as_secs_f64(),
            latency: self.latency(contender)?,
            cpu_us: begin.cpu.iter().zip(&end.cpu).map(|(begin, end)| per_request(begin, end)).collect(),
            load_cpu_us: per_request(&begin.load_cpu, &end.load_cpu),
        })
    }

    /// The latencies of a run with a log; a run of a number of requests has none.
    fn latency(&self, contender: &Contender) -> anyhow::Result<Histogram<u64>> {
        let Until::Passed(time) = self.until else { return histogram() };
        let logged = Self { until: Until::Passed(time.min(LOGGED_MAX)), ..self.clone() };
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("requests.log");
        let (begin, end) = logged.measure(contender, &[], &|| Ok(0), Some(&path))?;
        log::within(&std::fs::read_to_string(&path)?, begin.us()?..=end.us()?)
    }

    /// Runs it to its end; the marks are those of its window.
    fn measure(
        &self,
        contender: &Contender,
        watched: &[&Process],
        calls: Calls<'_>,
        log: Option<&Path>,
    ) -> anyhow::Result<(Mark, Mark)> {
        let folder = tempfile::tempdir()?;
        let mut command = self.command(contender, folder.path())?;
        command.args(log.map(|path| format!("--log-file={}", path.display())));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().context("h2load cannot be started")?;
        let begun = Instant::now();
        let until = |moment: Duration| std::thread::sleep(moment.saturating_sub(begun.elapsed()));
        let (begin, end, output) = match self.until {
            Until::Passed(time) => {
                until(self.connect_max());
                let begin = Mark::now(watched, Some(child.id()), calls)?;
                until(self.connect_max() + time);
                let end = Mark::now(watched, Some(child.id()), calls)?;
                (begin, end, child.wait_with_output()?)
            }
            Until::Done(_) => {
                let begin = Mark::now(watched, None, calls)?;
                let output = child.wait_with_output()?;
                (begin, Mark::now(watched, None, calls)?, output)
            }
        };
        let output = said(&output)?;
        let summary = Summary::parse(&output).with_context(|| format!("h2load printed:\n{output}"))?;
        summary.check(&self.call, self.shape)?;
        Ok((begin, end))
    }

    fn connect_max(&self) -> Duration {
        CONNECT_MAX + CONNECT_ONE_MAX * u32::try_from(self.shape.connections).unwrap_or(u32::MAX)
    }

    /// Starts it without checking its result; dropping ends it.
    pub(crate) fn start(&self, contender: &Contender) -> anyhow::Result<Background> {
        let folder = tempfile::tempdir()?;
        let mut command = self.command(contender, folder.path())?;
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Background { child, _folder: folder })
    }

    fn url(&self, contender: &Contender) -> String {
        let scheme = if contender.secure.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{}", contender.address, self.call.path())
    }

    fn command(&self, contender: &Contender, folder: &Path) -> anyhow::Result<std::process::Command> {
        let body = folder.join("body");
        std::fs::write(&body, self.call.body()?)?;
        let mut command = self.place.command("h2load");
        match self.until {
            Until::Passed(time) => {
                let whole = self.connect_max() + time + TAIL;
                command.args(["-D", &format!("{}ms", whole.as_millis())])
            }
            Until::Done(requests) => command.args(["-n", &requests.to_string()]),
        };
        command
            .args(["-t", "1", "-c", &self.shape.connections.to_string()])
            .args(["-m", &self.shape.streams.to_string()])
            .args(["-H", "content-type: application/grpc", "-H", "te: trailers"])
            .arg("-d")
            .arg(body)
            .arg(self.url(contender));
        if let Some(Secure { token, .. }) = &contender.secure {
            command.arg(format!("--tls13-ciphers={CIPHER}"));
            command.arg("-H").arg(format!("authorization: Bearer {token}"));
        }
        Ok(command)
    }
}

/// A load that runs alongside others.
#[derive(Debug)]
pub(crate) struct Background {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Background {
    /// Whether it is still running.
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

fn said(output: &Output) -> anyhow::Result<String> {
    let (said, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "h2load failed: {}\n{said}{complaint}", output.status);
    Ok(said.into_owned())
}
