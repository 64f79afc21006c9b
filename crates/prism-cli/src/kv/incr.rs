//! `prism kv incr`: adds to a number.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use prism_client::KeyValue;
use serde::Serialize;

use super::set::with_ttl;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Output};
use crate::time::{millis, time};

/// Add to the number that a key holds, and print the sum. A missing key counts as 0.
#[derive(Args, Debug)]
pub(crate) struct Incr {
    /// The key.
    key: String,

    /// What is added; it may be negative.
    #[arg(default_value = "1", allow_negative_numbers = true)]
    delta: i64,

    /// What a missing key counts as.
    #[arg(long, value_name = "N", default_value = "0", allow_negative_numbers = true)]
    initial: i64,

    /// Time to live of a key that this creates, such as 1h [default: forever].
    #[arg(long, value_name = "TIME", value_parser = time)]
    ttl: Option<Duration>,
}

#[derive(Serialize)]
struct Sum<'a> {
    key: &'a str,
    value: i64,
}

impl Incr {
    pub(super) async fn run(self, keyvalue: &KeyValue, output: Output) -> Result<Exit, Failure> {
        let call = keyvalue.increment(self.key.as_str(), self.delta).initial(self.initial);
        let value = with_ttl(call, self.ttl.map(millis)).await?;
        output.print(&Sum { key: &self.key, value })?;
        Ok(Exit::Success)
    }
}

impl Answer for Sum<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "{}", self.value)
    }
}
