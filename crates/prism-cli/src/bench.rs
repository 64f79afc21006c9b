//! `prism bench`: load on a gateway or a plugin, and its results; one noun per file.
//!
//! It shares its machine with what it measures, so a request must be cheap here: HTTP/2 without a gRPC library, heads
//! and messages created before the load starts, threads that share nothing.
//!
//! ```text
//! connect ─▶ fill ─▶ warm up ─▶ measure ─▶ print ─▶ remove the keys
//!              └───────┴───Ctrl-C──┴─────────▲
//! ```

mod alarm;
mod call;
mod data;
mod figures;
mod histogram;
mod keys;
mod kind;
mod link;
mod message;
mod micros;
mod mix;
mod options;
mod pace;
mod plan;
mod progress;
mod report;
mod stream;
mod table;
mod window;
mod worker;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};
use tonic::Code;

use self::data::Data;
use self::figures::Figures;
use self::options::{DataArgs, LoadArgs};
use self::plan::Plan;
use self::progress::Progress;
use self::report::Report;
use self::window::Window;
use self::worker::Workers;
use crate::connect::address;
use crate::credential::TokenArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{Format, Output, OutputArgs};
use crate::runtime;
use crate::tls::TlsArgs;

const AFTER_HELP: &str = "\
The keys for the load are stored under a prefix of their own and removed at the end. Ctrl-C ends the load early and
still prints the results.

Examples:
  prism bench
  prism bench localhost:50051 --calls get=80,set=20 --value-bytes 1000
  prism bench unix:/run/plugin.sock --connections 1 --streams 1 --requests 10000
  prism bench localhost:8980 --rate 5000 --duration 1min -o json";

/// Generate load on a gateway or a plugin, and report its throughput and latency.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Bench {
    /// The gateway or plugin: HOST:PORT or unix:PATH.
    #[arg(value_name = "ADDR", env = "PRISM_ADDRESS", default_value = "localhost:8980", value_parser = address)]
    address: String,

    /// The namespace to use.
    #[arg(short, long, env = "PRISM_NAMESPACE", value_name = "NAME", default_value = "default")]
    namespace: String,

    #[command(flatten)]
    token: TokenArgs,

    #[command(flatten)]
    tls: TlsArgs,

    #[command(flatten)]
    data: DataArgs,

    #[command(flatten)]
    load: LoadArgs,

    #[command(flatten)]
    output: OutputArgs,
}

impl Bench {
    pub(crate) fn format(&self) -> Format {
        self.output.output
    }

    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let output = Output::new(self.format());
        let plan = Plan::new(self.address, self.namespace, (self.token, self.tls), self.data, self.load)?;
        runtime::block_on(async {
            let mut interrupt = Interrupt::take()?;
            let progress = Progress::new();
            let data = Data::new(&plan)?;
            let measured = measure(&plan, &data, &mut interrupt, &progress).await;
            progress.clear();
            let printed = measured.and_then(|(report, exit)| {
                output.print(&report)?;
                Ok(exit)
            });
            // Stored keys are removed whether or not the load succeeded, and even if nobody reads the figures.
            let removed = if plan.keep {
                Ok(())
            } else {
                tokio::select! {
                    removed = data.remove(&progress) => removed,
                    () = interrupt.next() => Err(data.left_behind(Exit::Failed, Code::Cancelled, "interrupted")),
                }
            };
            let exit = printed?;
            removed.map(|()| exit)
        })
    }
}

/// Stores the keys and runs the load, until its end or the first interrupt.
async fn measure(
    plan: &Plan,
    data: &Data<'_>,
    interrupt: &mut Interrupt,
    progress: &Progress,
) -> Result<(Report, Exit), Failure> {
    let unreached = |error: io::Error| Failure::Refused {
        exit: Exit::Unavailable,
        code: Code::Unavailable,
        message: format!("cannot connect to {}: {error}", plan.address),
    };
    let mut stopped = None;
    if plan.fill {
        let stop = Notify::new();
        let mut filling = pin!(data.fill(progress, stop.notified()));
        loop {
            tokio::select! {
                filled = &mut filling => break filled?,
                // Calls in flight are awaited, until the next interrupt: a Set that arrives late outlives its removal.
                () = interrupt.next() => match stopped.replace(Instant::now()) {
                    None => stop.notify_one(),
                    Some(_) => break,
                },
            }
        }
    }
    let mut workers = Workers::start(plan).await.map_err(unreached)?;
    let window = Arc::new(Window::new(plan));
    if stopped.is_some() {
        window.stop();
    }
    data.touch();
    workers.begin(&window);
    let failed = |error| Failure::File(format!("cannot run the load: {error}"));
    let mut ticks = interval(progress::EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            ended = workers.ended() => break ended.map_err(failed)?,
            () = interrupt.next(), if stopped.is_none() => {
                window.stop();
                stopped = Some(Instant::now());
            }
            _ = ticks.tick(), if progress.is_visible() => {}
        }
        progress.load(&window, workers.requests());
    }
    let figures: Figures = workers.figures(plan).map_err(failed)?;
    let report = Report::new(plan, window.measured(stopped, figures.ended), &figures);
    Ok((report, report::exit(&figures)))
}
