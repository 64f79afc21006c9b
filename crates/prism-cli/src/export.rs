//! `prism export`: the keys and values of a namespace as JSON lines.

mod checkpoint;
mod file;
mod target;
mod written;

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write};
use std::path::PathBuf;
use std::pin::pin;

use bytes::Bytes;
use clap::Args;
use prism_client::{Entry, ErrorReason};
use serde::Serialize;

use crate::connect::GatewayArgs;
use crate::dump::{Bar, Line};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::{self, Interrupt};
use crate::output::{Answer, Format, Output, OutputArgs, counted, write_json};
use crate::runtime;
use checkpoint::Checkpoints;
use target::{Start, Target, name};
use written::{Written, decode, reason};

const AFTER_HELP: &str = "\
An export contains no lists and no times to live, because no call of the gateway returns them.

Examples:
  prism export orders | gzip > orders.jsonl.gz
  prism export orders --output-file orders.jsonl
  prism export orders --output-file orders.jsonl --resume";

/// Write the keys and values of a namespace as JSON lines.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Export {
    /// The namespace.
    #[arg(required_unless_present = "resume")]
    namespace: Option<String>,

    /// Write to this file, which must not exist, instead of standard output.
    #[arg(long, value_name = "FILE")]
    output_file: Option<PathBuf>,

    /// Continue an export: the one in --output-file, or, with the token that an interrupted export printed, from there, to
    /// standard output or a new file. A backend that can neither continue a scan nor scan in order starts over.
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
    keys: u64,
    file: String,
}

/// A checked command.
struct Job {
    namespace: String,
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
        let job = Job { namespace, gateway: self.gateway };
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
        let mut written = Written::default();
        let copied = runtime::block_on(self.copy(&mut out, start, &mut written, None, None));
        copied.map(|()| Exit::Success).map_err(|failure| written.told_with(failure))
    }

    fn to_file(&self, target: Target, format: Format) -> Result<Exit, Failure> {
        let Target { path, file, file_bytes, start, mut checkpoints, is_new } = target;
        let name = name(&path);
        let failed = |error: io::Error| Failure::file(&name, &error);
        let mut out = BufWriter::new(file);
        let mut written = Written::at(file_bytes);
        let mut copied = self.copy_to_file(&mut out, &start, &mut written, &mut checkpoints);
        if matches!(start, Start::Behind(_)) && reason_of(&copied) == Some(ErrorReason::CursorUnsupported) {
            eprintln!("prism: this backend does not scan in order: exporting from the start");
            let mut file = out.into_inner().map_err(|error| failed(error.into_error()))?;
            file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
            out = BufWriter::new(file);
            written = Written::default();
            copied = self.copy_to_file(&mut out, &Start::Beginning, &mut written, &mut checkpoints);
        }
        out.flush().map_err(failed)?;
        out.get_ref().sync_all().map_err(failed)?;
        match copied {
            Ok(()) => checkpoints.remove().map_err(failed)?,
            Err(failure) if written.keys == 0 && is_new => {
                // Otherwise the same command would fail because of an empty file.
                checkpoints.remove().and_then(|()| std::fs::remove_file(&path)).map_err(failed)?;
                return Err(failure);
            }
            Err(failure) => {
                written.save(&mut checkpoints).map_err(failed)?;
                return Err(written.told_with_file(failure, &name));
            }
        }
        let exported = Exported { namespace: self.namespace.clone(), keys: written.keys, file: name };
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
            self.begin(start, written, checkpoints).await?;
            self.copy(out, start, written, Some(checkpoints), Some(&mut interrupt)).await
        })
    }

    /// Writes the first checkpoint if the backend is resumable, so that the export is not continued behind its last key,
    /// where nobody would notice that the backend has lost its data.
    async fn begin(
        &self,
        start: &Start,
        written: &Written,
        checkpoints: &mut Checkpoints,
    ) -> Result<(), Failure> {
        let resume = match start {
            Start::Beginning => Bytes::new(),
            Start::At(token) => token.clone(),
            Start::Behind(_) => return Ok(()),
        };
        // A backend that declares nothing is not resumable; one that cannot be reached fails the scan, too.
        let capabilities = self.gateway.namespace(&self.namespace)?.capabilities().await;
        if capabilities.is_ok_and(|capabilities| capabilities.resumable) {
            checkpoints.write(&written.first_checkpoint(resume))?;
        }
        Ok(())
    }

    /// Writes everything from `start` on, until the end or an interrupt.
    async fn copy(
        &self,
        out: &mut impl Write,
        start: &Start,
        written: &mut Written,
        mut checkpoints: Option<&mut Checkpoints>,
        interrupt: Option<&mut Interrupt>,
    ) -> Result<(), Failure> {
        let keyvalue = self.gateway.namespace(&self.namespace)?.keyvalue();
        // The count includes keys that are in the file already: the bar then ends early.
        let bar = Bar::new("exporting", keyvalue.count("").await.unwrap_or(0));
        let mut scan = match start {
            Start::Beginning => keyvalue.scan(""),
            Start::Behind(key) => keyvalue.scan("").start_after(key.as_str()),
            Start::At(token) => keyvalue.scan("").resume(token.clone()),
        };
        let mut interrupted = pin!(async {
            match interrupt {
                Some(interrupt) => interrupt.next().await,
                None => std::future::pending().await,
            }
        });
        let mut line = Vec::new();
        loop {
            let entry = tokio::select! {
                entry = scan.next() => entry.transpose().map_err(Failure::from),
                () = &mut interrupted => Err(interrupt::interrupted()),
            };
            let Entry { key, value, .. } = match entry {
                Ok(Some(entry)) => entry,
                ended => {
                    out.flush()?;
                    return ended.map(drop);
                }
            };
            line.clear();
            write_json(&mut line, &Line { key, value_base64: value })?;
            out.write_all(&line)?;
            let is_at_token = written.add(line.len(), scan.resume_token());
            if let Some(checkpoints) = &mut checkpoints
                && is_at_token
                && checkpoints.is_due()
            {
                out.flush()?;
                written.save(checkpoints)?;
            }
            bar.step(1);
        }
    }
}

fn reason_of(copied: &Result<(), Failure>) -> Option<ErrorReason> {
    copied.as_ref().err().and_then(reason)
}

impl Answer for Exported {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "wrote {} of {} to {}", counted(self.keys, "key"), self.namespace, self.file)
    }
}
