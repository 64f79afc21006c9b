//! `prism kv set`: stores a value.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use prism_client::KeyValue;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Output};
use crate::time::time;
use crate::value::ValueArgs;

/// Store a value, replacing the key's value and its time to live.
#[derive(Args, Debug)]
pub(crate) struct Set {
    /// The key, 1 to 4096 bytes.
    key: String,

    #[command(flatten)]
    value: ValueArgs,

    /// How long the key lives, in whole seconds, such as 90s or 5min [default: for ever].
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

/// A fraction is rounded up: nothing expires before its time.
fn whole_seconds(ttl: Duration) -> i64 {
    let seconds = ttl.as_secs().saturating_add(u64::from(ttl.subsec_nanos() > 0));
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

impl Answer for Stored<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "OK")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_of_a_second_is_rounded_up() {
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1999)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(5)), 5);
        assert_eq!(whole_seconds(Duration::ZERO), 0, "the server refuses it");
    }
}
