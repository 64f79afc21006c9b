//! `prism kv scan`: lists keys and values as they arrive.

use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use prism_client::{Entry, Error, KeyValue};
use serde::Serialize;

use crate::escape::Escaped;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Output, base64};

/// List the keys with a prefix, and their values: key, tab, value, both escaped.
#[derive(Args, Debug)]
pub(crate) struct Scan {
    /// The prefix; without one, list all keys.
    #[arg(default_value = "", hide_default_value = true)]
    prefix: String,

    /// Maximum number of keys to list; 0 lists all.
    #[arg(long, value_name = "N", default_value = "0", value_parser = clap::value_parser!(i32).range(0..))]
    limit: i32,

    /// Only keys that are greater than this one, byte by byte.
    #[arg(long, value_name = "KEY")]
    start_after: Option<String>,

    /// List only the keys.
    #[arg(long)]
    keys_only: bool,
}

#[derive(Serialize)]
struct Pair {
    key: String,
    #[serde(serialize_with = "base64")]
    value_base64: Bytes,
}

#[derive(Serialize)]
struct Key {
    key: String,
}

/// Sets the options that both kinds of scan share.
macro_rules! with_options {
    ($scan:expr, $options:expr, $timeout:expr) => {{
        let mut scan = $scan.limit($options.limit);
        if let Some(key) = &$options.start_after {
            scan = scan.start_after(key.as_str());
        }
        match $timeout {
            Some(timeout) => scan.timeout(timeout),
            None => scan,
        }
    }};
}

impl Scan {
    pub(super) async fn run(
        self,
        keyvalue: &KeyValue,
        timeout: Option<Duration>,
        output: Output,
    ) -> Result<Exit, Failure> {
        let prefix = self.prefix.as_str();
        if self.keys_only {
            let scan = with_options!(keyvalue.scan_keys(prefix), self, timeout);
            print_all(scan.map(|key| key.map(|key| Key { key })), output).await
        } else {
            let scan = with_options!(keyvalue.scan(prefix), self, timeout);
            let pair = |Entry { key, value, .. }| Pair { key, value_base64: value };
            print_all(scan.map(|entry| entry.map(pair)), output).await
        }
    }
}

/// Prints what has arrived before waiting for more. On an error, everything before it is printed, too.
async fn print_all<A: Answer>(
    mut answers: impl Stream<Item = Result<A, Error>> + Unpin,
    mut output: Output,
) -> Result<Exit, Failure> {
    loop {
        let next = match answers.next().now_or_never() {
            Some(next) => next,
            None => {
                output.flush()?;
                answers.next().await
            }
        };
        match next {
            Some(Ok(answer)) => output.write(&answer)?,
            Some(Err(error)) => {
                output.flush()?;
                return Err(error.into());
            }
            None => {
                output.flush()?;
                return Ok(Exit::Success);
            }
        }
    }
}

impl Answer for Pair {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "{}\t{}", Escaped(self.key.as_bytes()), Escaped(&self.value_base64))
    }
}

impl Answer for Key {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "{}", Escaped(self.key.as_bytes()))
    }
}
