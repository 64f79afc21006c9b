//! `prism kv get`: reads a value.

use std::io::{self, Write};
use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use prism_client::KeyValue;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Output, base64, counted, write_raw};

/// Print a value: its bytes unchanged; only on a terminal, a newline is added.
#[derive(Args, Debug)]
pub(crate) struct Get {
    /// The key.
    key: String,

    /// Write the value to this file instead.
    #[arg(long, value_name = "FILE")]
    output_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Value<'a> {
    key: &'a str,
    value_bytes: usize,
    #[serde(serialize_with = "base64")]
    value_base64: Bytes,
}

#[derive(Serialize)]
struct Written<'a> {
    key: &'a str,
    value_bytes: usize,
    file: String,
}

impl Get {
    pub(super) async fn run(self, keyvalue: &KeyValue, output: Output) -> Result<Exit, Failure> {
        let value = keyvalue.get(self.key.as_str()).await?;
        let (key, value_bytes) = (self.key.as_str(), value.len());
        match self.output_file {
            None => output.print(&Value { key, value_bytes, value_base64: value })?,
            Some(path) => {
                let file = path.display().to_string();
                std::fs::write(path, value).map_err(|error| Failure::file(&file, &error))?;
                output.print(&Written { key, value_bytes, file })?;
            }
        }
        Ok(Exit::Success)
    }
}

impl Answer for Value<'_> {
    fn text(&self, out: &mut dyn Write, terminal: bool) -> io::Result<()> {
        write_raw(out, &self.value_base64, terminal)
    }
}

impl Answer for Written<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "wrote {} to {}", counted(self.value_bytes as u64, "byte"), self.file)
    }
}
