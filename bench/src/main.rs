//! Compares Prism with what a user would choose instead.
//!
//! ```sh
//! just bench                  # everything
//! just bench proxy growth     # some parts
//! just bench report           # only the page and its plots, from the existing results
//! ```
//!
//! | module | owns |
//! |---|---|
//! | [`requirement`] | what must be installed |
//! | [`machine`] | the machine's description |
//! | [`metrics`] | the figures that servers serve |
//! | [`process`] | a server process: start, cores, CPU time, memory, end |
//! | [`contender`] | the servers that are compared |
//! | [`call`] | the calls, and the check of their responses |
//! | [`load`] | the load generators |
//! | [`contest`] | closed-loop measurements in turn |
//! | [`fill`] | stores of many keys |
//! | [`part`] | what is measured, by part |
//! | [`plan`] | how parts are run |
//! | [`results`] | the figures, as stored in the JSON files |
//! | [`report`] | the page, its plots and the targets, from the JSON files alone |

mod call;
mod contender;
mod contest;
mod fill;
mod load;
mod machine;
mod metrics;
mod part;
mod plan;
mod process;
mod report;
mod requirement;
mod results;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Parser, ValueEnum};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::part::{Part, before, diskstore, growth, memstore, proxy, python, redis, tls, verbs};
use crate::plan::Plan;

/// Measures Prism beside what a user would pick instead, and writes JSON, a page and plots. Fails if any call does.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// What to measure [default: every part, `before` only with --before]; "report" only writes the page again.
    #[arg(value_name = "PART")]
    tasks: Vec<Task>,

    /// Rounds; in each, every contender is measured once.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,

    /// Seconds that one measurement takes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,

    /// The keys of a large store.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(50_000..))]
    keys: u32,

    /// Does not give contenders with one worker a core of their own.
    #[arg(long)]
    no_pin: bool,

    /// The Python to measure clients with, and to find Envoy and Valkey with [default: that of --make-venv, if it was made, else python3].
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,

    /// Makes a virtual environment with all Python packages, the client's wheel among them, under the target folder.
    #[arg(long, conflicts_with = "python")]
    make_venv: bool,

    /// The folder with the binaries of another version of Prism, for the part `before`.
    #[arg(long, value_name = "FOLDER")]
    before: Option<PathBuf>,

    /// Where results go.
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    results: PathBuf,
}

/// A part, or the report alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Task {
    Proxy,
    Tls,
    Memstore,
    Verbs,
    Diskstore,
    Redis,
    Python,
    Growth,
    Before,
    Report,
}

impl Task {
    fn part(self) -> Option<Part> {
        match self {
            Self::Proxy => Some(Part::Proxy),
            Self::Tls => Some(Part::Tls),
            Self::Memstore => Some(Part::Memstore),
            Self::Verbs => Some(Part::Verbs),
            Self::Diskstore => Some(Part::Diskstore),
            Self::Redis => Some(Part::Redis),
            Self::Python => Some(Part::Python),
            Self::Growth => Some(Part::Growth),
            Self::Before => Some(Part::Before),
            Self::Report => None,
        }
    }
}

/// Calls made here, to fill stores and to check responses, run alongside the measuring thread, which blocks.
#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> ExitCode {
    let args = Args::try_parse().unwrap_or_else(|said| prism_runtime::args::end("prism-bench", &said));
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("prism-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let mut parts: Vec<_> = args.tasks.iter().filter_map(|task| task.part()).collect();
    if args.tasks.is_empty() {
        parts = Part::ALL.into_iter().filter(|part| *part != Part::Before || args.before.is_some()).collect();
    }
    ensure!(
        args.before.is_some() || !parts.contains(&Part::Before),
        "the part before needs the other version: --before PATH, the folder in which its deploy/binary left its binaries"
    );
    if args.make_venv {
        requirement::make_venv()?;
    }
    let python = args.python.clone().map_or_else(requirement::default_python, Ok)?;
    requirement::check(&parts, &python)?;
    raise_file_limit(&parts)?;
    let plan = Plan {
        rounds: args.rounds.into(),
        time: Duration::from_secs(args.seconds.into()),
        pin: !args.no_pin,
        keys: usize::try_from(args.keys)?,
        python,
        before: args.before.clone(),
    };
    std::fs::create_dir_all(&args.results)?;
    for part in parts {
        eprintln!("part {}", part.name());
        let results = match part {
            Part::Proxy => proxy::run(&plan).await,
            Part::Tls => tls::run(&plan).await,
            Part::Memstore => memstore::run(&plan).await,
            Part::Verbs => verbs::run(&plan).await,
            Part::Diskstore => diskstore::run(&plan).await,
            Part::Redis => redis::run(&plan).await,
            Part::Python => python::run(&plan).await,
            Part::Growth => growth::run(&plan).await,
            Part::Before => before::run(&plan).await,
        };
        let results = results.with_context(|| format!("part {} failed", part.name()))?;
        report::json::write(&args.results, &results)?;
    }
    report::write(&args.results)
}

/// Every connection of the part `growth` is a file in three processes, each with its own limit.
fn raise_file_limit(parts: &[Part]) -> anyhow::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    let needed = growth::CONNECTIONS.iter().max().map_or(0, |connections| connections + 500);
    let granted = limit.current.is_none_or(|files| files >= u64::try_from(needed).unwrap_or(u64::MAX));
    ensure!(
        granted || !parts.contains(&Part::Growth),
        "the limit of open files is {:?}, and part growth needs {needed}: raise it (ulimit -n)",
        limit.current
    );
    Ok(())
}
