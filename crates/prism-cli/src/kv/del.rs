//! `prism kv del`: removes keys.

use std::io::{self, Write};

use clap::Args;
use prism_client::KeyValue;
use serde::Serialize;

use crate::escape::Escaped;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Output};

/// Delete keys, one after another. A missing key is reported, but is not an error.
#[derive(Args, Debug)]
pub(crate) struct Del {
    /// The keys.
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
}

#[derive(Serialize)]
struct Deleted<'a> {
    key: &'a str,
    found: bool,
}

impl Del {
    pub(super) async fn run(self, keyvalue: &KeyValue, mut output: Output) -> Result<Exit, Failure> {
        for key in &self.keys {
            let found = keyvalue.delete(key.as_str()).await?;
            output.write(&Deleted { key, found })?;
            output.flush()?;
        }
        Ok(Exit::Success)
    }
}

impl Answer for Deleted<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        let found = if self.found { "deleted" } else { "not found" };
        writeln!(out, "{}\t{found}", Escaped(self.key.as_bytes()))
    }
}
