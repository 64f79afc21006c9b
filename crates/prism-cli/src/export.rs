//! `prism export`: the keys and values of a namespace as JSON lines.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;

use clap::Args;
use prism_client::{Entry, ErrorReason};
use serde::Serialize;

use crate::connect::GatewayArgs;
use crate::dump::{Bar, Line, keys_were};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::{self, Interrupt};
use crate::output::{Answer, Format, Output, OutputArgs, counted, write_json};
use crate::runtime;

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
    namespace: String,

    /// Write to this file, which must not exist, instead of standard output.
    #[arg(long, value_name = "FILE")]
    output_file: Option<PathBuf>,

    /// Continue after the last key in the file. If the backend does not scan in order, the export starts over.
    #[arg(long, requires = "output_file")]
    resume: bool,

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

impl Export {
    pub(crate) fn format(&self) -> Format {
        self.output.output
    }

    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let Some(path) = &self.output_file else {
            let mut out = BufWriter::new(io::stdout().lock());
            runtime::block_on(self.copy(&mut out, None, None, |_| {}))?;
            return Ok(Exit::Success);
        };
        let name = path.display().to_string();
        let failed = |error: io::Error| Failure::file(&name, &error);
        let (file, last) = if self.resume { reopen(path).map_err(failed)? } else { (create(path)?, None) };
        let mut out = BufWriter::new(file);
        let mut keys = 0;
        let mut copied = self.copy_to_file(&mut out, last.clone(), &mut keys);
        if last.is_some() && is_unordered(&copied) {
            eprintln!("prism: this backend does not scan in order: exporting from the start");
            let mut file = out.into_inner().map_err(|error| failed(error.into_error()))?;
            file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
            out = BufWriter::new(file);
            keys = 0;
            copied = self.copy_to_file(&mut out, None, &mut keys);
        }
        out.flush().map_err(failed)?;
        out.get_ref().sync_all().map_err(failed)?;
        if let Err(failure) = copied {
            if keys == 0 && !self.resume {
                // Otherwise the same command would fail because of an empty file.
                std::fs::remove_file(path).map_err(failed)?;
                return Err(failure);
            }
            let written = keys_were(keys);
            let hint = if reason(&failure) == Some(ErrorReason::ScanInterrupted) {
                // Resuming after the last key would hide that keys before it may be missing.
                format!("{written} written to {name}: remove it and export again")
            } else {
                let behind = if keys == 1 { "it" } else { "them" };
                format!(
                    "{written} written to {name}; run the same command with --resume to continue after {behind}"
                )
            };
            return Err(Failure::Partial { failure: Box::new(failure), hint, start_after: None });
        }
        Output::new(self.format()).print(&Exported { namespace: self.namespace, keys, file: name })?;
        Ok(Exit::Success)
    }

    fn copy_to_file(
        &self,
        out: &mut BufWriter<File>,
        start_after: Option<String>,
        keys: &mut u64,
    ) -> Result<(), Failure> {
        runtime::block_on(async {
            let mut interrupt = Interrupt::take()?;
            self.copy(out, start_after, Some(&mut interrupt), |_| *keys += 1).await
        })
    }

    /// Writes everything after a key, until the end or an interrupt, and reports each key.
    async fn copy(
        &self,
        out: &mut impl Write,
        start_after: Option<String>,
        interrupt: Option<&mut Interrupt>,
        mut tell: impl FnMut(&str),
    ) -> Result<(), Failure> {
        let keyvalue = self.gateway.namespace(&self.namespace)?.keyvalue();
        // The count includes keys that are in the file already: the bar then ends early.
        let bar = Bar::new("exporting", keyvalue.count("").await.unwrap_or(0));
        let mut scan = keyvalue.scan("");
        if let Some(key) = start_after {
            scan = scan.start_after(key);
        }
        let mut interrupted = pin!(async {
            match interrupt {
                Some(interrupt) => interrupt.next().await,
                None => std::future::pending().await,
            }
        });
        loop {
            let entry = tokio::select! {
                entry = scan.next() => entry.transpose().map_err(Failure::from),
                () = &mut interrupted => Err(interrupt::interrupted()),
            };
            let Entry { key, value } = match entry {
                Ok(Some(entry)) => entry,
                ended => {
                    out.flush()?;
                    return ended.map(drop);
                }
            };
            let line = Line { key, value_base64: value };
            write_json(out, &line)?;
            tell(&line.key);
            bar.step(1);
        }
    }
}

fn is_unordered(copied: &Result<(), Failure>) -> bool {
    copied.as_ref().is_err_and(|failure| reason(failure) == Some(ErrorReason::CursorUnsupported))
}

fn reason(failure: &Failure) -> Option<ErrorReason> {
    if let Failure::Call(error) = failure { error.reason() } else { None }
}

fn create(path: &Path) -> Result<File, Failure> {
    let created = File::options().write(true).read(true).create_new(true).open(path);
    created.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::File(format!(
            "{}: the file already exists; continue it with --resume, or choose another name",
            path.display()
        )),
        _ => Failure::file(&path.display().to_string(), &error),
    })
}

/// Opens a file to continue it, removing a truncated last line. Returns its last key.
fn reopen(path: &Path) -> io::Result<(File, Option<String>)> {
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    let mut end = file.metadata()?.len();
    loop {
        let (start, line) = last_line(&mut file, end)?;
        match serde_json::from_slice::<Line>(&line) {
            Ok(line) if start + line_bytes(&line)? == end => {
                file.set_len(end)?;
                file.seek(SeekFrom::End(0))?;
                return Ok((file, Some(line.key)));
            }
            _ if start == 0 && line.len() as u64 == end && end > 0 && line.ends_with(b"\n") => {
                return Err(io::Error::other("its last line is not from an export"));
            }
            _ if start == 0 => {
                file.set_len(0)?;
                file.rewind()?;
                return Ok((file, None));
            }
            // Only the last line can be truncated.
            _ if line.ends_with(b"\n") => {
                return Err(io::Error::other("its last line is not from an export"));
            }
            _ => end = start,
        }
    }
}

/// The length of a line in the file, its newline included.
fn line_bytes(line: &Line) -> io::Result<u64> {
    Ok(serde_json::to_vec(line)?.len() as u64 + 1)
}

/// The line that ends at `end`, and its start.
fn last_line(file: &mut File, end: u64) -> io::Result<(u64, Vec<u8>)> {
    /// Longer than most lines.
    const STEP: u64 = 64 << 10;
    let mut start = end;
    let mut bytes = Vec::new();
    while start > 0 {
        let step = STEP.min(start);
        start -= step;
        let mut piece = vec![0; usize::try_from(step).unwrap_or(usize::MAX)];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut piece)?;
        piece.extend(bytes);
        bytes = piece;
        let before_last = bytes.len().saturating_sub(1);
        if let Some(newline) = bytes[..before_last].iter().rposition(|byte| *byte == b'\n') {
            bytes.drain(..=newline);
            return Ok((start + newline as u64 + 1, bytes));
        }
    }
    Ok((0, bytes))
}

impl Answer for Exported {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "wrote {} of {} to {}", counted(self.keys, "key"), self.namespace, self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reopened(text: &[u8]) -> Result<(Option<String>, Vec<u8>), String> {
        let folder =
            std::env::temp_dir().join(format!("prism-export-{}-{:x}", std::process::id(), fastrand::u64(..)));
        std::fs::write(&folder, text).unwrap();
        let opened = reopen(&folder).map(|(_, last)| (last, std::fs::read(&folder).unwrap()));
        std::fs::remove_file(&folder).unwrap();
        opened.map_err(|error| error.to_string())
    }

    #[test]
    fn a_line_that_was_cut_short_is_taken_away() {
        let (a, b) = (r#"{"key":"a","value_base64":"AA=="}"#, r#"{"key":"b","value_base64":""}"#);
        let whole = format!("{a}\n{b}\n");
        assert_eq!(reopened(whole.as_bytes()).unwrap(), (Some("b".to_owned()), whole.clone().into_bytes()));
        for cut in 1..=b.len() {
            let text = &whole.as_bytes()[..a.len() + 1 + cut];
            assert_eq!(
                reopened(text).unwrap(),
                (Some("a".to_owned()), format!("{a}\n").into_bytes()),
                "{cut}"
            );
        }
        assert_eq!(reopened(b"").unwrap(), (None, Vec::new()));
        assert_eq!(reopened(&a.as_bytes()[..9]).unwrap(), (None, Vec::new()));
        assert!(reopened(b"something else\n").is_err());
        assert!(reopened(format!("{a}\nsomething else\n").as_bytes()).is_err());
        let large = format!("{a}\n{{\"key\":\"b\",\"value_base64\":\"{}\"}}\n", "AAAA".repeat(100_000));
        assert_eq!(reopened(large.as_bytes()).unwrap().0.as_deref(), Some("b"));
    }
}
