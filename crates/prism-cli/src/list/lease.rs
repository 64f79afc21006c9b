//! `prism list ack`, `extend` and `release`: what becomes of a lease, named by its token.

use std::fmt::{self, Display, Formatter};
use std::io::{self, Write};
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::Args;
use prism_client::List;
use serde::{Serialize, Serializer};

use super::range::Removed;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Output, counted};
use crate::time::{millis, time};

/// Remove the values of a lease for good, and print how many; exits with 3 if it has ended.
#[derive(Args, Debug)]
pub(crate) struct Ack {
    #[command(flatten)]
    named: Named,
}

/// Let a lease end later; exits with 3 if it has ended.
#[derive(Args, Debug)]
pub(crate) struct Extend {
    #[command(flatten)]
    named: Named,

    /// How long the values stay reserved from now on, such as 30s; at most 12h.
    #[arg(value_parser = time)]
    time: Duration,
}

/// Return the values of a lease to their list at once, and print how many; exits with 3 if it has ended.
#[derive(Args, Debug)]
pub(crate) struct Release {
    #[command(flatten)]
    named: Named,
}

#[derive(Args, Debug)]
struct Named {
    /// The list.
    key: String,

    /// The token of the lease, as `reserve` prints it.
    lease: Token,
}

/// The token of a lease, written as base64 with padding (RFC 4648, section 4).
#[derive(Clone, Debug)]
pub(super) struct Token(pub(super) Bytes);

#[derive(Serialize)]
struct Extended<'a> {
    key: &'a str,
    lease_millis: i64,
}

#[derive(Serialize)]
struct Returned<'a> {
    key: &'a str,
    returned: u64,
}

impl Named {
    fn of(&self, list: &List) -> prism_client::Lease {
        list.lease(self.key.as_str(), self.lease.0.clone())
    }
}

impl Ack {
    pub(super) async fn run(self, list: &List, output: Output) -> Result<Exit, Failure> {
        let removed = self.named.of(list).ack().await?;
        output.print(&Removed { key: &self.named.key, removed })?;
        Ok(Exit::Success)
    }
}

impl Extend {
    pub(super) async fn run(self, list: &List, output: Output) -> Result<Exit, Failure> {
        self.named.of(list).extend(self.time).await?;
        output.print(&Extended { key: &self.named.key, lease_millis: millis(self.time) })?;
        Ok(Exit::Success)
    }
}

impl Release {
    pub(super) async fn run(self, list: &List, output: Output) -> Result<Exit, Failure> {
        let returned = self.named.of(list).release().await?;
        output.print(&Returned { key: &self.named.key, returned })?;
        Ok(Exit::Success)
    }
}

impl FromStr for Token {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match STANDARD.decode(text) {
            Ok(token) if !token.is_empty() => Ok(Self(token.into())),
            _ => Err("expected the token that `prism list reserve` printed".to_owned()),
        }
    }
}

impl Display for Token {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(&self.0))
    }
}

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Answer for Extended<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "OK")
    }
}

impl Answer for Returned<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "returned {}", counted(self.returned, "value"))
    }
}
