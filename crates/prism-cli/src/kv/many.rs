//! `prism kv mget` and `mset`: many keys in one call.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt as _;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use prism_client::{BatchItem, KeyValue};
use serde::Serialize;

use crate::escape::Escaped;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Output, base64_or_null, counted};
use crate::time::{millis, time};

/// Print the values of keys, in the order given: key, tab, value, both escaped. Of a key that does not exist, only the key.
#[derive(Args, Debug)]
pub(crate) struct MGet {
    /// The keys.
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
}

/// Store values, each for itself, in the order given.
#[derive(Args, Debug)]
pub(crate) struct MSet {
    /// Keys, each followed by its value.
    #[arg(required = true, num_args = 2.., value_names = ["KEY", "VALUE"], allow_negative_numbers = true)]
    pairs: Vec<OsString>,

    /// Time to live of each, such as 90s, 5min or 250ms [default: forever].
    #[arg(long, value_name = "TIME", value_parser = time)]
    ttl: Option<Duration>,
}

#[derive(Serialize)]
struct Found<'a> {
    key: &'a str,
    found: bool,
    #[serde(serialize_with = "base64_or_null")]
    value_base64: Option<Bytes>,
}

#[derive(Serialize)]
struct Stored {
    stored: usize,
}

impl MGet {
    pub(super) async fn run(self, keyvalue: &KeyValue, mut output: Output) -> Result<Exit, Failure> {
        let values = keyvalue.get_many(self.keys.iter().map(String::as_str)).await;
        for (key, value) in self.keys.iter().zip(values) {
            // What was read before an error is printed.
            let value = match value {
                Ok(value) => value,
                Err(error) => {
                    output.flush()?;
                    return Err(error.into());
                }
            };
            output.write(&Found { key, found: value.is_some(), value_base64: value })?;
        }
        output.flush()?;
        Ok(Exit::Success)
    }
}

impl MSet {
    pub(super) async fn run(self, keyvalue: &KeyValue, output: Output) -> Result<Exit, Failure> {
        let usage = |why: &str| Failure::Usage(why.to_owned());
        if self.pairs.len() % 2 == 1 {
            return Err(usage("the last key has no value: give keys and values in turn"));
        }
        let ttl_millis = self.ttl.map(millis);
        let mut pairs = self.pairs.into_iter();
        let mut items = Vec::new();
        while let (Some(key), Some(value)) = (pairs.next(), pairs.next()) {
            let key = key.into_string().map_err(|_| usage("a key is not UTF-8"))?;
            items.push(BatchItem { key, value: value.into_vec().into(), ttl_millis });
        }
        let stored = items.len();
        keyvalue.set_many(items).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        output.print(&Stored { stored })?;
        Ok(Exit::Success)
    }
}

impl Answer for Found<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        match &self.value_base64 {
            Some(value) => writeln!(out, "{}\t{}", Escaped(self.key.as_bytes()), Escaped(value)),
            None => writeln!(out, "{}", Escaped(self.key.as_bytes())),
        }
    }
}

impl Answer for Stored {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "stored {}", counted(self.stored as u64, "key"))
    }
}
