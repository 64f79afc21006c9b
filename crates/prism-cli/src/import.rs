//! `prism import`: stores the keys and values of an export in a namespace.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;

use clap::Args;
use futures_util::StreamExt as _;
use serde::Serialize;

use crate::connect::GatewayArgs;
use crate::dump::{Bar, Line};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Format, Output, OutputArgs};
use crate::runtime;

/// Calls under way at once.
const CALLS_MAX: usize = 16;

const AFTER_HELP: &str = "\
Each key replaces what was there. Keys that are not in the file stay.

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

    /// Goes on behind the line with this key: what an import that failed tells.
    #[arg(long, value_name = "KEY")]
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

impl Import {
    pub(crate) fn format(&self) -> Format {
        self.output.output
    }

    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let name = self.file.display().to_string();
        let mut keys = 0;
        let mut last = None;
        let stored = if name == "-" {
            let lines = self.lines("standard input", io::stdin().lock());
            runtime::block_on(self.store(lines, &Bar::new("importing", 0), &mut keys, &mut last))
        } else {
            let failed = |error: io::Error| Failure::file(&name, &error);
            let file = File::open(&self.file).map_err(failed)?;
            let bar = Bar::new("importing", file.metadata().map_err(failed)?.len());
            let lines = self.lines(&name, BufReader::new(file));
            runtime::block_on(self.store(lines, &bar, &mut keys, &mut last))
        };
        stored.map_err(|failure| match &last {
            None => failure,
            Some(last) => Failure::Partial {
                failure: Box::new(failure),
                hint: format!("{keys} keys were stored; go on with --start-after {last:?}"),
            },
        })?;
        Output::new(self.format()).print(&Imported { namespace: self.namespace, keys })?;
        Ok(Exit::Success)
    }

    /// The lines behind the one to start after, each with its length in bytes.
    fn lines(
        &self,
        name: &str,
        mut from: impl BufRead,
    ) -> impl Iterator<Item = Result<(Line, u64), Failure>> {
        let name = name.to_owned();
        let mut number = 0;
        let mut behind = self.start_after.clone();
        let mut next = move || -> Result<Option<(Line, u64)>, Failure> {
            loop {
                let mut text = Vec::new();
                number += 1;
                let bytes =
                    from.read_until(b'\n', &mut text).map_err(|error| Failure::file(&name, &error))?;
                if bytes == 0 {
                    return match &behind {
                        Some(key) => {
                            Err(Failure::File(format!("{name}: there is no line with the key {key:?}")))
                        }
                        None => Ok(None),
                    };
                }
                let line: Line = serde_json::from_slice(&text).map_err(|error| {
                    // The parser counts lines within this one.
                    let error = error.to_string();
                    let why = error.rsplit_once(" at line ").map_or(error.as_str(), |(why, _)| why);
                    Failure::File(format!(
                        "{name}:{number}: {why}; expected {{\"key\":TEXT,\"value_base64\":BASE64}}"
                    ))
                })?;
                match &behind {
                    None => return Ok(Some((line, bytes as u64))),
                    Some(key) if *key == line.key => behind = None,
                    Some(_) => {}
                }
            }
        };
        let mut ended = false;
        std::iter::from_fn(move || {
            let line = (!ended).then(&mut next)?.transpose();
            ended = !matches!(line, Some(Ok(_)));
            line
        })
    }

    /// Stores them, several at once. What is counted, and the last key told, is stored with all before it.
    async fn store(
        &self,
        lines: impl Iterator<Item = Result<(Line, u64), Failure>>,
        bar: &Bar,
        keys: &mut u64,
        last: &mut Option<String>,
    ) -> Result<(), Failure> {
        let keyvalue = self.gateway.namespace(&self.namespace)?.keyvalue();
        let calls = lines.map(|line| {
            let keyvalue = keyvalue.clone();
            async move {
                let (Line { key, value_base64 }, bytes) = line?;
                keyvalue.set(key.as_str(), value_base64).await?;
                Ok::<_, Failure>((key, bytes))
            }
        });
        let mut stored = futures_util::stream::iter(calls).buffered(CALLS_MAX);
        while let Some(done) = stored.next().await {
            let (key, bytes) = done?;
            *keys += 1;
            *last = Some(key);
            bar.step(bytes);
        }
        Ok(())
    }
}

impl Answer for Imported {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "stored {} keys in {}", self.keys, self.namespace)
    }
}
