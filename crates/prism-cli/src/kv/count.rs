//! `prism kv count`: counts keys.

use std::io::{self, Write};

use clap::Args;
use prism_client::KeyValue;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Output};

/// Count the keys with a prefix.
#[derive(Args, Debug)]
pub(crate) struct Count {
    /// The prefix; without one, count all keys.
    #[arg(default_value = "", hide_default_value = true)]
    prefix: String,
}

#[derive(Serialize)]
struct Counted<'a> {
    prefix: &'a str,
    count: u64,
}

impl Count {
    pub(super) async fn run(self, keyvalue: &KeyValue, output: Output) -> Result<Exit, Failure> {
        let count = keyvalue.count(self.prefix.as_str()).await?;
        output.print(&Counted { prefix: &self.prefix, count })?;
        Ok(Exit::Success)
    }
}

impl Answer for Counted<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "{}", self.count)
    }
}
