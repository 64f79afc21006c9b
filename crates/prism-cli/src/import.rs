//! `prism import`: stores the keys and lists of an export in a namespace.

mod lines;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use clap::Args;
use prism_client::{self as client, Item};
use serde::Serialize;
use tokio::sync::mpsc::Receiver;

use crate::connect::GatewayArgs;
use crate::dump::{Bar, Copied, Line};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::{Interrupt, interrupted};
use crate::output::{Answer, Format, Output, OutputArgs, counted};
use crate::runtime;

/// How many lines are read ahead.
const LINES_AHEAD: usize = 16;

const AFTER_HELP: &str = "\
What is in the file replaces existing keys and lists, unless --if-absent; everything else stays. A key lives as long as it had left when it
was exported, unless --deadline.

Examples:
  prism import orders orders.jsonl
  prism import orders orders.jsonl --resume 1042
  gunzip < orders.jsonl.gz | prism import orders -";

/// Store the keys and lists of an export in a namespace.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Import {
    /// The namespace.
    namespace: String,

    /// The file; `-` reads standard input.
    file: PathBuf,

    /// Continue behind this many lines, which an import that failed reports.
    #[arg(long, value_name = "LINES", conflicts_with = "start_after")]
    resume: Option<u64>,

    /// Continue after the line with this key.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    start_after: Option<String>,

    #[command(flatten)]
    how: HowArgs,
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// How items are imported.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct HowArgs {
    /// Leave existing keys and lists as they are.
    #[arg(long)]
    if_absent: bool,

    /// Count times to live from when the keys were exported, and leave out those that have expired since.
    #[arg(long)]
    deadline: bool,
}

impl HowArgs {
    pub(crate) fn begin(self, namespace: &client::Namespace) -> client::Import {
        let mut import = namespace.transfer().import();
        if self.if_absent {
            import = import.if_absent();
        }
        if self.deadline {
            import = import.deadline();
        }
        import
    }
}

#[derive(Serialize)]
struct Imported {
    namespace: String,
    #[serde(flatten)]
    copied: Copied,
    /// How many lines were skipped.
    skipped: u64,
}

/// What has been stored so far, in order and without gaps.
#[derive(Default)]
struct Stored {
    copied: Copied,
    /// The number of lines up to the last one.
    lines: u64,
    /// The last key, if the last line is one.
    last: Option<String>,
    skipped: u64,
    /// What is on its way: the number of the line, its item without values, and its length.
    waiting: VecDeque<(u64, Item, u64)>,
    acknowledged: u64,
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
        let ended = runtime::block_on(self.store(lines, &bar, &mut stored));
        drop(bar);
        if let Err(failure) = ended {
            return Err(stored.told_with(failure));
        }
        let Stored { copied, skipped, .. } = stored;
        Output::new(self.format()).print(&Imported { namespace: self.namespace, copied, skipped })?;
        Ok(Exit::Success)
    }

    fn lines(&self, name: &str, from: impl Read + Send + 'static) -> Receiver<lines::Next> {
        let behind = match (self.resume, &self.start_after) {
            (Some(lines), _) => lines::Behind::Lines(lines),
            (None, Some(key)) => lines::Behind::Key(key.clone()),
            (None, None) => lines::Behind::Lines(0),
        };
        lines::read(name.to_owned(), behind, from, LINES_AHEAD)
    }

    /// Stores them in order. The first interrupt waits for what is on its way, so that the report is true.
    async fn store(
        &self,
        mut lines: Receiver<lines::Next>,
        bar: &Bar,
        stored: &mut Stored,
    ) -> Result<(), Failure> {
        let mut import = self.how.begin(&self.gateway.namespace(&self.namespace)?);
        let mut interrupt = Interrupt::take()?;
        let end = loop {
            let line = tokio::select! {
                line = lines.recv() => line,
                () = interrupt.next() => break Err(interrupted()),
            };
            let lines::Numbered { number, line: Line(exported), bytes } = match line {
                Some(Ok(line)) => line,
                Some(Err(failure)) => break Err(failure),
                None => break Ok(()),
            };
            stored.waiting.push_back((number, named(&exported.item), bytes));
            let sent = tokio::select! {
                sent = import.send(exported) => sent,
                () = interrupt.next() => break Err(interrupted()),
            };
            stored.acknowledge(import.acknowledged(), bar);
            sent?;
        };
        let flushed = tokio::select! {
            flushed = import.flush() => flushed,
            () = interrupt.next() => return Err(interrupted()),
        };
        stored.acknowledge(import.acknowledged(), bar);
        end.and_then(|()| flushed.map(drop).map_err(Failure::from))
    }
}

/// An item without what it holds.
fn named(item: &Item) -> Item {
    match item {
        Item::Key { key, ttl_left, .. } => {
            Item::Key { key: key.clone(), value: Vec::new().into(), ttl_left: *ttl_left }
        }
        Item::ListPart { part, last, .. } => {
            Item::ListPart { list_key: String::new(), values: Vec::new(), part: *part, last: *last }
        }
    }
}

impl Stored {
    /// Moves behind what has been acknowledged.
    fn acknowledge(&mut self, imported: client::Imported, bar: &Bar) {
        self.skipped = imported.skipped;
        while self.acknowledged < imported.items {
            let Some((number, item, bytes)) = self.waiting.pop_front() else { return };
            self.acknowledged += 1;
            self.copied.add(&item);
            self.lines = number;
            self.last = match item {
                Item::Key { key, .. } => Some(key),
                Item::ListPart { .. } => None,
            };
            bar.step(bytes);
        }
    }

    /// A failure, with how to continue.
    fn told_with(self, failure: Failure) -> Failure {
        if self.acknowledged == 0 {
            return failure;
        }
        let hint = format!("{} stored; continue with --resume {}", self.copied.were(), self.lines);
        let resume = Some(self.lines.to_string());
        Failure::Partial { failure: Box::new(failure), hint, start_after: self.last, resume }
    }
}

impl Answer for Imported {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        write!(out, "stored {} in {}", self.copied.counted(), self.namespace)?;
        match self.skipped {
            0 => writeln!(out),
            skipped => {
                writeln!(out, ", except for {} that {} skipped", counted(skipped, "item"), were(skipped))
            }
        }
    }
}

/// The verb of a number of things.
pub(crate) fn were(count: u64) -> &'static str {
    if count == 1 { "was" } else { "were" }
}
