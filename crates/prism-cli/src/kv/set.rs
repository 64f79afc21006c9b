//! `prism kv set`: stores a value.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use prism_client::KeyValue;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Output};
use crate::time::{time, whole_seconds};
use crate::value::ValueArgs;

/// Store a value, replacing the key's value and its time to live.
#[derive(Args, Debug)]
pub(crate) struct Set {
    /// The key, 1 to 4096 bytes.
    key: String,

    #[command(flatten)]
    value: ValueArgs,

    /// Time to live, in whole seconds, such as 90s or 5min [default: forever].
    #[arg(long, value_name = "TIME", value_parser = time)]
    ttl: Option<Duration>,
}

#[derive(Serialize)]
struct Stored<'a> {
    key: &'a str,
    value_bytes: usize,
    ttl_seconds: Option<i64>,
}

impl Set {
    pub(super) async fn run(self, keyvalue: &KeyValue, output: Output) -> Result<Exit, Failure> {
        let ttl_seconds = self.ttl.map(whole_seconds);
        let value = self.value.read()?;
        let value_bytes = value.len();
        let mut call = keyvalue.set(self.key.as_str(), value);
        if let Some(seconds) = ttl_seconds {
            call = call.ttl_seconds(seconds);
        }
        call.await?;
        output.print(&Stored { key: &self.key, value_bytes, ttl_seconds })?;
        Ok(Exit::Success)
    }
}

impl Answer for Stored<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "OK")
    }
}
