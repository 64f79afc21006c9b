//! `prism kv del`: removes keys, those with a prefix, or one if a condition holds.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt as _;
use std::time::Duration;

use clap::Args;
use prism_client::{Condition, KeyValue};
use serde::Serialize;

use crate::escape::Escaped;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Output, counted};

/// Delete keys, one after another. A missing key is reported, but is not an error.
#[derive(Args, Debug)]
pub(crate) struct Del {
    /// The keys.
    #[arg(required_unless_present = "prefix", value_name = "KEY")]
    keys: Vec<String>,

    /// Delete all keys that begin with this, one by one: what is created meanwhile may stay. It must not be empty.
    #[arg(long, value_name = "PREFIX", conflicts_with_all = ["keys", "if_equals"], value_parser = clap::builder::NonEmptyStringValueParser::new())]
    prefix: Option<String>,

    /// The maximum number of keys to delete with --prefix; 0 deletes all.
    #[arg(long, value_name = "N", default_value = "0", requires = "prefix", value_parser = clap::value_parser!(i32).range(0..))]
    limit: i32,

    /// Delete a single key, and only if it has this value; otherwise exits with 5.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    if_equals: Option<OsString>,
}

#[derive(Serialize)]
struct DeletedAll<'a> {
    prefix: &'a str,
    deleted: u64,
}

#[derive(Serialize)]
struct DeletedIf<'a> {
    key: &'a str,
    applied: bool,
}

#[derive(Serialize)]
struct Deleted<'a> {
    key: &'a str,
    found: bool,
}

impl Del {
    pub(super) async fn run(
        self,
        keyvalue: &KeyValue,
        timeout: Option<Duration>,
        mut output: Output,
    ) -> Result<Exit, Failure> {
        if let Some(prefix) = &self.prefix {
            let call = keyvalue.delete_prefix(prefix.as_str()).limit(self.limit);
            let call = match timeout {
                Some(timeout) => call.timeout(timeout),
                None => call,
            };
            let deleted = call.await?;
            output.print(&DeletedAll { prefix, deleted })?;
            return Ok(Exit::Success);
        }
        if let Some(value) = self.if_equals {
            let [key] = &self.keys[..] else {
                return Err(Failure::Usage("--if-equals is for a single key".to_owned()));
            };
            let condition = Condition::Equals(value.into_vec().into());
            let applied = keyvalue.delete_if(key.as_str(), condition).await?.applied;
            output.print(&DeletedIf { key, applied })?;
            return Ok(if applied { Exit::Success } else { Exit::NotApplied });
        }
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

impl Answer for DeletedAll<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "deleted {}", counted(self.deleted, "key"))
    }
}

impl Answer for DeletedIf<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        let applied = if self.applied { "deleted" } else { "not applied" };
        writeln!(out, "{}\t{applied}", Escaped(self.key.as_bytes()))
    }
}
