//! The Python client compared with grpcio through the same gateway, and with redis-py directly to Redis. As a user
//! would run them: no process has a dedicated core.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::contender::{Contender, Setup, prism, redis};
use crate::contest::progress;
use crate::load::histogram;
use crate::machine::Machine;
use crate::part::Part;
use crate::plan::Plan;
use crate::process::{Others, Place, cores};
use crate::results::{Case, Figure, Results, Sample};

/// The contenders, by their names in the script.
pub(crate) const WHEEL: &str = "wheel";
pub(crate) const GRPC_AIO: &str = "grpc-aio";
pub(crate) const REDIS_ASYNCIO: &str = "redis-asyncio";
const WHEEL_SYNC: &str = "wheel-sync";
const GRPC_SYNC: &str = "grpc-sync";

/// The event loops.
pub(crate) const LOOPS: [&str; 2] = ["asyncio", "uvloop"];
/// Instead of a loop, for blocking clients.
const THREADS: &str = "threads";

/// Concurrent calls.
const CONCURRENCIES: [usize; 3] = [1, 16, 64];

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/clients.py");

/// The name of a case.
pub(crate) fn case_id(event_loop: &str, concurrency: usize) -> String {
    format!("{event_loop}/{concurrency}")
}

/// Runs the part.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Results> {
    let mut machine = Machine::describe(&[("redis-server", "--version")])?;
    machine.versions.extend(module_versions(&plan.python)?);
    let folder = tempfile::tempdir()?;
    let servers = Servers::start(plan, folder.path())?;

    let mut cases = Vec::new();
    for event_loop in [LOOPS[0], LOOPS[1], THREADS] {
        for concurrency in CONCURRENCIES {
            cases.push(((event_loop, concurrency), new_case(event_loop, concurrency)));
        }
    }
    for round in 0..plan.rounds {
        for ((event_loop, concurrency), case) in &mut cases {
            let clients = contenders(event_loop);
            for turn in 0..clients.len() {
                let client = clients[(round + turn) % clients.len()];
                let sample = servers.measure(client, event_loop, *concurrency)?;
                progress(round, plan.rounds, case, client, &sample);
                case.record(client, None, sample);
            }
        }
    }
    let cases = cases.into_iter().map(|(_, case)| case).collect();
    Ok(Results { part: Part::Python, machine, settings: plan.settings(), cases })
}

/// What the clients speak to.
pub(crate) struct Servers<'a> {
    plan: &'a Plan,
    /// Of what grpcio's users generate.
    stubs: &'a Path,
    proxy: Contender,
    _memstore: Contender,
    redis: Contender,
}

impl<'a> Servers<'a> {
    pub(crate) fn start(plan: &'a Plan, folder: &'a Path) -> anyhow::Result<Self> {
        generate_stubs(&plan.python, folder)?;
        let setup = Setup { workers: cores(), place: Place::Anywhere, folder };
        let memstore = prism::memstore(setup)?;
        let proxy = prism::proxy(setup, &memstore.address)?;
        let redis = redis::start(Setup { workers: 1, ..setup })?;
        Ok(Self { plan, stubs: folder, proxy, _memstore: memstore, redis })
    }

    /// One measurement of a client, by its name in the script.
    pub(crate) fn measure(
        &self,
        client: &str,
        event_loop: &str,
        concurrency: usize,
    ) -> anyhow::Result<Sample> {
        let server = if client == REDIS_ASYNCIO { &self.redis } else { &self.proxy };
        Script { plan: self.plan, stubs: self.stubs, client, event_loop, concurrency }.measure(server)
    }
}

fn contenders(event_loop: &str) -> &'static [&'static str] {
    if event_loop == THREADS { &[WHEEL_SYNC, GRPC_SYNC] } else { &[WHEEL, GRPC_AIO, REDIS_ASYNCIO] }
}

fn new_case(event_loop: &str, concurrency: usize) -> Case {
    let section = match event_loop {
        THREADS => "Get of 100 bytes from Python, blocking, a thread for each call at once".to_owned(),
        _ => format!("Get of 100 bytes from Python on {event_loop}"),
    };
    let baseline = if event_loop == THREADS { WHEEL_SYNC } else { WHEEL };
    Case::new(&section, &format!("{concurrency} at once"), &case_id(event_loop, concurrency))
        .against(baseline)
}

/// One run of the script, in a separate process.
struct Script<'a> {
    plan: &'a Plan,
    stubs: &'a Path,
    client: &'a str,
    event_loop: &'a str,
    concurrency: usize,
}

/// Its output.
#[derive(Deserialize)]
struct Report {
    requests: u64,
    requests_per_second: f64,
    cpu_us: f64,
    histogram: Vec<(u64, u64)>,
}

impl Script<'_> {
    fn measure(&self, server: &Contender) -> anyhow::Result<Sample> {
        let mut command = Command::new(&self.plan.python);
        command
            .arg(SCRIPT)
            .args(["--client", self.client, "--address", &server.address])
            .args(["--concurrency", &self.concurrency.to_string()])
            .args(["--seconds", &self.plan.time.as_secs().to_string()])
            .arg("--stubs")
            .arg(self.stubs);
        if self.event_loop != THREADS {
            command.args(["--loop", self.event_loop]);
        }
        let others = Others::begin()?;
        let output = command.output()?;
        let others_percent = others.percent()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{} failed: {}\n{said}{complaint}", self.client, output.status);
        let report: Report =
            serde_json::from_str(&said).with_context(|| format!("{} printed:\n{said}", self.client))?;
        ensure!(report.requests > 0, "{} made no call", self.client);
        let mut latency = histogram()?;
        for (us, count) in report.histogram {
            latency.record_n(us, count)?;
        }
        Ok(Sample::default()
            .with(Figure::RequestsPerSecond, report.requests_per_second)
            .with_latency(&latency)
            .with(Figure::CpuUs, report.cpu_us)
            .with(Figure::OthersPercent, others_percent))
    }
}

/// Generates what grpcio's users generate, from the project's protos.
fn generate_stubs(python: &Path, folder: &Path) -> anyhow::Result<()> {
    let protos = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("proto");
    let out = |kind: &str| format!("--{kind}_out={}", folder.display());
    let output = Command::new(python)
        .args(["-m", "grpc_tools.protoc", "-I"])
        .arg(&protos)
        .args([out("python"), out("grpc_python")])
        .arg("interfaces/keyvalue_basic.proto")
        .output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "grpc_tools.protoc failed:\n{complaint}");
    Ok(())
}

fn module_versions(python: &Path) -> anyhow::Result<Vec<(String, String)>> {
    const ASK: &str = "
import platform
from importlib.metadata import version
print('python', platform.python_version())
for name in ('prism-client', 'grpcio', 'redis', 'uvloop'):
    print(name, version(name))
";
    let output = Command::new(python).args(["-c", ASK]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout)?;
    let pairs = said.lines().filter_map(|line| line.split_once(' '));
    Ok(pairs.map(|(name, version)| (name.to_owned(), version.to_owned())).collect())
}
