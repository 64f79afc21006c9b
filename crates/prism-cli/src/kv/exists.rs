//! `prism kv exists`: checks whether a key exists.

use std::io::{self, Write};

use clap::Args;
use prism_client::KeyValue;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Output};

/// Check whether a key exists; exits with 0 if it does, 3 if not.
#[derive(Args, Debug)]
pub(crate) struct Exists {
    /// The key.
    key: String,
}

#[derive(Serialize)]
struct Known<'a> {
    key: &'a str,
    exists: bool,
}

impl Exists {
    pub(super) async fn run(self, keyvalue: &KeyValue, output: Output) -> Result<Exit, Failure> {
        let exists = keyvalue.exists(self.key.as_str()).await?;
        output.print(&Known { key: &self.key, exists })?;
        Ok(Exit::found(exists))
    }
}

impl Answer for Known<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "{}", self.exists)
    }
}
