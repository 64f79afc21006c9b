//! `prism import`: stores the keys and values of an export in a namespace.

mod lines;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use clap::Args;
use futures_util::TryFutureExt as _;
use futures_util::stream::{FuturesOrdered, StreamExt as _};
use serde::Serialize;
use tokio::sync::mpsc::Receiver;

use crate::connect::GatewayArgs;
use crate::dump::{Bar, Line, keys_were};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::{Interrupt, interrupted};
use crate::output::{Answer, Format, Output, OutputArgs, counted};
use crate::{runtime, shell};

/// Concurrent calls.
const CALLS_MAX: usize = 16;

const AFTER_HELP: &str = "\
An imported key replaces an existing one. Keys that are not in the file stay.

Examples:
  prism import orders orders.jsonl
  prism import orders orders.jsonl --start-after order:1042
  gunzip < orders.jsonl.gz | prism import orders -";

/// Store the keys and values of an export in a namespace.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Import {
    /// The namespace.
    namespace: String,

    /// The file; `-` reads standard input.
    file: PathBuf,

    /// Continue after the line with this key, which an import that failed reports.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    start_after: Option<String>,

    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Serialize)]
struct Imported {
    namespace: String,
    keys: u64,
}

/// What has been stored so far, in order and without gaps.
#[derive(Default)]
struct Stored {
    keys: u64,
    last: Option<String>,
}

impl Import {
    pub(crate) fn format(&self) -> Format {
        self.output.output
    }

    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let name = self.file.display().to_string();
        let (lines, bar) = if name == "-" {
            (self.lines("standard input", io::stdin()), Bar::new("importing", 0))
        } else {
            let failed = |error: io::Error| Failure::file(&name, &error);
            let file = File::open(&self.file).map_err(failed)?;
            let bar = Bar::new("importing", file.metadata().map_err(failed)?.len());
            (self.lines(&name, file), bar)
        };
        let mut stored = Stored::default();
        if let Err(failure) = runtime::block_on(self.store(lines, &bar, &mut stored)) {
            drop(bar);
            return Err(stored.told_with(failure));
        }
        drop(bar);
        Output::new(self.format()).print(&Imported { namespace: self.namespace, keys: stored.keys })?;
        Ok(Exit::Success)
    }

    fn lines(&self, name: &str, from: impl Read + Send + 'static) -> Receiver<lines::Next> {
        lines::read(name.to_owned(), self.start_after.clone(), from, CALLS_MAX)
    }

    /// Stores them, several at a time, but those of one key in order. The first interrupt waits for the calls in
    /// flight, so that the report is true.
    async fn store(
        &self,
        mut lines: Receiver<lines::Next>,
        bar: &Bar,
        stored: &mut Stored,
    ) -> Result<(), Failure> {
        let keyvalue = self.gateway.namespace(&self.namespace)?.keyvalue();
        let mut interrupt = Interrupt::take()?;
        let mut calls = FuturesOrdered::new();
        // The keys of the calls, in order.
        let mut in_flight: VecDeque<String> = VecDeque::with_capacity(CALLS_MAX);
        let mut next: Option<(Line, u64)> = None;
        let mut end = None;
        let mut is_interrupted = false;
        loop {
            if let Some((line, bytes)) = next.take_if(|(line, _)| !in_flight.contains(&line.key)) {
                let call = keyvalue.set(line.key.as_str(), line.value_base64).send();
                calls.push_back(call.map_ok(move |()| bytes));
                in_flight.push_back(line.key);
            }
            let wants_line = end.is_none() && next.is_none() && calls.len() < CALLS_MAX;
            tokio::select! {
                () = interrupt.next() => {
                    if std::mem::replace(&mut is_interrupted, true) {
                        return Err(interrupted());
                    }
                    next = None;
                    end.get_or_insert(Err(interrupted()));
                }
                Some(done) = calls.next() => {
                    bar.step(done?);
                    stored.keys += 1;
                    stored.last = in_flight.pop_front();
                }
                line = lines.recv(), if wants_line => match line {
                    Some(Ok(line)) => next = Some(line),
                    Some(Err(failure)) => end = Some(Err(failure)),
                    None => end = Some(Ok(())),
                },
            }
            if let Some(end) = end.take_if(|_| calls.is_empty()) {
                return end;
            }
        }
    }
}

impl Stored {
    /// A failure, with how to continue.
    fn told_with(self, failure: Failure) -> Failure {
        let Some(last) = self.last else { return failure };
        let stored = keys_were(self.keys);
        let hint = format!("{stored} stored; continue with --start-after {}", shell::quoted(&last));
        Failure::Partial { failure: Box::new(failure), hint, start_after: Some(last), resume: None }
    }
}

impl Answer for Imported {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "stored {} in {}", counted(self.keys, "key"), self.namespace)
    }
}
