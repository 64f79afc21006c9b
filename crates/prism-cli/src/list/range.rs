//! `prism list range`, `get`, `set`, `remove`, `trim` and `clear`: the values within a list.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt as _;

use bytes::Bytes;
use clap::Args;
use prism_client::List;
use serde::Serialize;

use super::length::Counted;
use crate::escape::Escaped;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Output, base64, counted};
use crate::taken::Taken;
use crate::value::ValueArgs;

/// Print the values from one index to another, both included, each on a line, escaped. Indices count from 0 at the left end,
/// or from -1 at the right end.
#[derive(Args, Debug)]
pub(crate) struct Range {
    /// The list.
    key: String,
    /// The first index.
    #[arg(default_value = "0", allow_negative_numbers = true)]
    start: i64,
    /// The last index.
    #[arg(default_value = "-1", allow_negative_numbers = true)]
    stop: i64,
}

/// Print the value at an index; exits with 3 if the list has no such index.
#[derive(Args, Debug)]
pub(crate) struct Get {
    /// The list.
    key: String,
    /// The index, from 0 at the left end, or from -1 at the right end.
    #[arg(allow_negative_numbers = true)]
    index: i64,
}

/// Replace the value at an index.
#[derive(Args, Debug)]
pub(crate) struct Set {
    /// The list.
    key: String,
    /// The index, from 0 at the left end, or from -1 at the right end.
    #[arg(allow_negative_numbers = true)]
    index: i64,
    #[command(flatten)]
    value: ValueArgs,
}

/// Remove values that are equal to this one, and print how many.
#[derive(Args, Debug)]
pub(crate) struct Remove {
    /// The list.
    key: String,
    /// The value.
    #[arg(allow_negative_numbers = true)]
    value: OsString,
    /// At most so many, the leftmost first; if it is negative, the rightmost first; 0 removes all.
    #[arg(long, value_name = "N", default_value = "0", allow_negative_numbers = true)]
    count: i64,
}

/// Remove all values outside of a range, and print how many are left.
#[derive(Args, Debug)]
pub(crate) struct Trim {
    /// The list.
    key: String,
    /// The first index that stays.
    #[arg(allow_negative_numbers = true)]
    start: i64,
    /// The last index that stays.
    #[arg(allow_negative_numbers = true)]
    stop: i64,
}

/// Remove a list, and print how many values it had.
#[derive(Args, Debug)]
pub(crate) struct Clear {
    /// The list.
    key: String,
}

/// A value on a line of its own.
#[derive(Serialize)]
pub(super) struct Value {
    #[serde(serialize_with = "base64")]
    pub(super) value_base64: Bytes,
}

#[derive(Serialize)]
struct Replaced<'a> {
    key: &'a str,
    index: i64,
    value_bytes: usize,
}

/// How many values were removed.
#[derive(Serialize)]
pub(super) struct Removed<'a> {
    pub(super) key: &'a str,
    pub(super) removed: u64,
}

pub(super) fn print_all(values: impl Iterator<Item = Value>, mut output: Output) -> Result<(), Failure> {
    for value in values {
        output.write(&value)?;
    }
    Ok(output.flush()?)
}

impl Range {
    pub(super) async fn run(self, list: &List, output: Output) -> Result<Exit, Failure> {
        let values = list.range(self.key, self.start, self.stop).await?;
        print_all(values.into_iter().map(|value| Value { value_base64: value }), output)?;
        Ok(Exit::Success)
    }
}

impl Get {
    pub(super) async fn run(self, list: &List, output: Output) -> Result<Exit, Failure> {
        Taken::print(&self.key, list.get_at(self.key.as_str(), self.index).await?, output)
    }
}

impl Set {
    pub(super) async fn run(self, list: &List, output: Output) -> Result<Exit, Failure> {
        let value = self.value.read()?;
        let (key, index, value_bytes) = (self.key.as_str(), self.index, value.len());
        list.set_at(key, index, value).await?;
        output.print(&Replaced { key, index, value_bytes })?;
        Ok(Exit::Success)
    }
}

impl Remove {
    pub(super) async fn run(self, list: &List, output: Output) -> Result<Exit, Failure> {
        let value = Bytes::from(self.value.into_vec());
        let removed = list.remove(self.key.as_str(), value, self.count).await?;
        output.print(&Removed { key: &self.key, removed })?;
        Ok(Exit::Success)
    }
}

impl Trim {
    pub(super) async fn run(self, list: &List, output: Output) -> Result<Exit, Failure> {
        let length = list.trim(self.key.as_str(), self.start, self.stop).await?;
        output.print(&Counted { key: &self.key, length })?;
        Ok(Exit::Success)
    }
}

impl Clear {
    pub(super) async fn run(self, list: &List, output: Output) -> Result<Exit, Failure> {
        let removed = list.clear(self.key.as_str()).await?;
        output.print(&Removed { key: &self.key, removed })?;
        Ok(Exit::Success)
    }
}

impl Answer for Value {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "{}", Escaped(&self.value_base64))
    }
}

impl Answer for Replaced<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "OK")
    }
}

impl Answer for Removed<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "removed {}", counted(self.removed, "value"))
    }
}
