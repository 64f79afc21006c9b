//! `prism export`: the keys and lists of a namespace as JSON lines.

mod checkpoint;
mod file;
mod target;
pub(crate) mod written;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::connect::GatewayArgs;
use crate::dump::{Bar, Copied, Line};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::{self, Interrupt};
use crate::output::{Answer, Format, Output, OutputArgs, write_json};
use crate::runtime;
use checkpoint::Checkpoints;
use target::{Start, Target, name};
use written::{Written, decode};

const AFTER_HELP: &str = "\
Each key, and each part of a list, is written as it was at one moment; the whole is not a snapshot. Values that are reserved are left
out.

Examples:
  prism export orders | gzip > orders.jsonl.gz
  prism export orders --output-file orders.jsonl
  prism export orders --output-file orders.jsonl --resume";

/// Write the keys and lists of a namespace, with times to live, as JSON lines.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Export {
    /// The namespace.
    #[arg(required_unless_present = "resume")]
    namespace: Option<String>,

    /// Only keys and lists whose names begin with this.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    prefix: String,

    /// Write to this file, which must not exist, instead of standard output.
    #[arg(long, value_name = "FILE")]
    output_file: Option<PathBuf>,

    /// Continue an export: the one in --output-file, or, with the token that an interrupted export printed, from there, to
    /// standard output or a new file. If the backend cannot continue an export, it starts over.
    #[arg(long, value_name = "TOKEN", num_args = 0..=1)]
    resume: Option<Option<String>>,

    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Serialize)]
struct Exported {
    namespace: String,
    #[serde(flatten)]
    copied: Copied,
    file: String,
}

/// A checked command.
struct Job {
    namespace: String,
    prefix: String,
    gateway: GatewayArgs,
}

impl Export {
    pub(crate) fn format(&self) -> Format {
        self.output.output
    }

    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let format = self.format();
        // `--resume NAMESPACE`: the option came without a token.
        let (namespace, resume) = match (self.namespace, self.resume) {
            (Some(namespace), resume) => (namespace, resume),
            (None, Some(Some(namespace))) => (namespace, Some(None)),
            (None, _) => return Err(Failure::Usage("the namespace to export is missing".to_owned())),
        };
        let job = Job { namespace, prefix: self.prefix, gateway: self.gateway };
        let start = match &resume {
            Some(Some(token)) => Start::At(decode(token)?),
            Some(None) | None => Start::Beginning,
        };
        match self.output_file {
            Some(path) if matches!(resume, Some(None)) => job.to_file(Target::reopened(path)?, format),
            Some(path) => job.to_file(Target::created(path, start)?, format),
            None if matches!(resume, Some(None)) => Err(Failure::Usage(
                "--resume needs --output-file FILE, the export to continue, or the token that an interrupted export printed"
                    .to_owned(),
            )),
            None => job.to_standard_output(&start),
        }
    }
}

impl Job {
    fn to_standard_output(&self, start: &Start) -> Result<Exit, Failure> {
        let mut out = BufWriter::new(io::stdout().lock());
        let mut written = Written::new(0, start);
        let copied = runtime::block_on(async {
            let mut interrupt = Interrupt::take()?;
            self.copy(&mut out, start, &mut written, None, &mut interrupt).await
        });
        copied.map(|()| Exit::Success).map_err(|failure| written.told_with(failure))
    }

    fn to_file(&self, target: Target, format: Format) -> Result<Exit, Failure> {
        let Target { path, file, file_bytes, start, mut checkpoints, is_new } = target;
        let name = name(&path);
        let failed = |error: io::Error| Failure::file(&name, &error);
        let mut out = BufWriter::new(file);
        let mut written = Written::new(file_bytes, &start);
        let copied = self.copy_to_file(&mut out, &start, &mut written, &mut checkpoints);
        out.flush().map_err(failed)?;
        out.get_ref().sync_all().map_err(failed)?;
        match copied {
            Ok(()) => checkpoints.remove().map_err(failed)?,
            Err(failure) if written.is_empty() && is_new => {
                // Otherwise the same command would fail because of an empty file.
                checkpoints.remove().and_then(|()| std::fs::remove_file(&path)).map_err(failed)?;
                return Err(failure);
            }
            Err(failure) => {
                written.save(&mut checkpoints).map_err(failed)?;
                return Err(written.told_with_file(failure, &name));
            }
        }
        let exported = Exported { namespace: self.namespace.clone(), copied: written.copied, file: name };
        Output::new(format).print(&exported)?;
        Ok(Exit::Success)
    }

    fn copy_to_file(
        &self,
        out: &mut BufWriter<File>,
        start: &Start,
        written: &mut Written,
        checkpoints: &mut Checkpoints,
    ) -> Result<(), Failure> {
        runtime::block_on(async {
            let mut interrupt = Interrupt::take()?;
            // As long as there is one, the export is incomplete.
            checkpoints.write(&written.first_checkpoint())?;
            self.copy(out, start, written, Some(checkpoints), &mut interrupt).await
        })
    }

    /// Writes everything from `start` on, until the end or an interrupt.
    async fn copy(
        &self,
        out: &mut impl Write,
        start: &Start,
        written: &mut Written,
        mut checkpoints: Option<&mut Checkpoints>,
        interrupt: &mut Interrupt,
    ) -> Result<(), Failure> {
        let namespace = self.gateway.namespace(&self.namespace)?;
        // The count includes what is in the file already: the bar then ends early.
        let bar = Bar::new("exporting", count(&namespace, &self.prefix).await);
        let mut export = namespace.transfer().export(self.prefix.as_str());
        if let Start::At(token) = start {
            export = export.resume(token.clone());
        }
        let mut line = Vec::new();
        loop {
            let exported = tokio::select! {
                exported = export.next() => exported.transpose().map_err(Failure::from),
                () = interrupt.next() => Err(interrupt::interrupted()),
            };
            let exported = match exported {
                Ok(Some(exported)) => Line(exported),
                ended => {
                    out.flush()?;
                    return ended.map(drop);
                }
            };
            line.clear();
            write_json(&mut line, &exported)?;
            out.write_all(&line)?;
            let is_at_token = written.add(&exported.0.item, line.len(), export.resume_token());
            if let Some(checkpoints) = &mut checkpoints
                && is_at_token
                && checkpoints.is_due()
            {
                out.flush()?;
                written.save(checkpoints)?;
            }
            bar.step(u64::from(!exported.0.item.is_continued()));
        }
    }
}

/// About how many keys and lists there are, for a bar.
pub(crate) async fn count(namespace: &prism_client::Namespace, prefix: &str) -> u64 {
    let keys = namespace.keyvalue().count(prefix).await.unwrap_or(0);
    keys + namespace.list().count_lists(prefix).await.unwrap_or(0)
}

impl Answer for Exported {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "wrote {} of {} to {}", self.copied.counted(), self.namespace, self.file)
    }
}
