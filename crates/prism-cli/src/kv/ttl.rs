//! `prism kv ttl`, `expire` and `persist`: times to live.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use prism_client::KeyValue;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Output};
use crate::time::{millis, time};

/// Print the time that a key has left to live, or `forever`; exits with 3 if the key does not exist.
#[derive(Args, Debug)]
pub(crate) struct Ttl {
    /// The key.
    key: String,
}

/// Give a key a new time to live, from now; exits with 3 if the key does not exist.
#[derive(Args, Debug)]
pub(crate) struct Expire {
    /// The key.
    key: String,

    /// The time to live, such as 90s, 5min or 250ms.
    #[arg(value_parser = time)]
    ttl: Duration,
}

/// Remove a key's time to live, and print whether it had one.
#[derive(Args, Debug)]
pub(crate) struct Persist {
    /// The key.
    key: String,
}

#[derive(Serialize)]
struct Left<'a> {
    key: &'a str,
    /// `None`: it does not expire.
    ttl_millis_left: Option<u64>,
}

#[derive(Serialize)]
struct Expires<'a> {
    key: &'a str,
    found: bool,
    ttl_millis: i64,
}

#[derive(Serialize)]
struct Persisted<'a> {
    key: &'a str,
    had_ttl: bool,
}

impl Ttl {
    pub(super) async fn run(self, keyvalue: &KeyValue, output: Output) -> Result<Exit, Failure> {
        let left = keyvalue.get_ttl(self.key.as_str()).await?;
        let ttl_millis_left = left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        output.print(&Left { key: &self.key, ttl_millis_left })?;
        Ok(Exit::Success)
    }
}

impl Expire {
    pub(super) async fn run(self, keyvalue: &KeyValue, output: Output) -> Result<Exit, Failure> {
        let ttl_millis = millis(self.ttl);
        let found = keyvalue.expire(self.key.as_str(), ttl_millis).await?;
        output.print(&Expires { key: &self.key, found, ttl_millis })?;
        Ok(Exit::found(found))
    }
}

impl Persist {
    pub(super) async fn run(self, keyvalue: &KeyValue, output: Output) -> Result<Exit, Failure> {
        let had_ttl = keyvalue.persist(self.key.as_str()).await?;
        output.print(&Persisted { key: &self.key, had_ttl })?;
        Ok(Exit::Success)
    }
}

impl Answer for Left<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        match self.ttl_millis_left {
            Some(millis) => writeln!(out, "{}", humantime::format_duration(Duration::from_millis(millis))),
            None => writeln!(out, "forever"),
        }
    }
}

impl Answer for Expires<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "{}", if self.found { "OK" } else { "not found" })
    }
}

impl Answer for Persisted<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "{}", self.had_ttl)
    }
}
