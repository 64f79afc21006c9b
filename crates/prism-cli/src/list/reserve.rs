//! `prism list reserve`: takes values under a lease.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use prism_client::{Lease, List, Reserved};
use serde::Serialize;

use super::lease::Token;
use crate::escape::Escaped;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Output, base64};
use crate::time::time;

/// Reserve values and print the token of their lease, and below it each value on a line, escaped; exits with 3 if there are none.
///
/// Reserved values are no part of the list. `ack` removes them for good, `release` returns them; if neither comes in time, the lease
/// ends and they return by themselves.
#[derive(Args, Debug)]
pub(crate) struct Reserve {
    /// The list.
    key: String,

    /// How many values to reserve at most, 1 to 1000.
    #[arg(long, value_name = "N", default_value = "1")]
    count: usize,

    /// How long they stay reserved, such as 30s; at most 12h.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "30s")]
    lease: Duration,

    /// Wait for a value for at most this time, such as 30s; at most 5min.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "0s", hide_default_value = true)]
    wait: Duration,

    /// Take the values from the right end.
    #[arg(long)]
    right: bool,

    /// How often a value is delivered at most, at least 1; then it moves to the list of --dead-letter.
    #[arg(long, value_name = "N", requires = "dead_letter")]
    max_deliveries: Option<u32>,

    /// The list that takes values which --max-deliveries stops.
    #[arg(long, value_name = "LIST", requires = "max_deliveries")]
    dead_letter: Option<String>,
}

/// A reserved value, on a line of its own.
#[derive(Serialize)]
pub(super) struct Delivered<'a> {
    #[serde(serialize_with = "base64")]
    value_base64: &'a [u8],
    deliveries: u32,
}

#[derive(Serialize)]
struct Held<'a> {
    key: &'a str,
    found: bool,
    lease: Option<Token>,
    values: Vec<Delivered<'a>>,
}

impl Reserve {
    pub(super) async fn run(self, list: &List, output: Output) -> Result<Exit, Failure> {
        let key = self.key.as_str();
        let mut call = list.reserve(key).count(self.count).lease(self.lease).wait(self.wait);
        if self.right {
            call = call.from_right();
        }
        if let (Some(max), Some(dead_letter)) = (self.max_deliveries, self.dead_letter) {
            call = call.max_deliveries(max, dead_letter);
        }
        let reserved = call.await?;
        output.print(&Held {
            key,
            found: reserved.is_some(),
            lease: reserved.as_ref().map(|lease| Token(lease.token().clone())),
            values: reserved.iter().flat_map(Lease::values).map(Delivered::from).collect(),
        })?;
        Ok(Exit::found(reserved.is_some()))
    }
}

impl<'a> From<&'a Reserved> for Delivered<'a> {
    fn from(reserved: &'a Reserved) -> Self {
        Self { value_base64: &reserved.value, deliveries: reserved.deliveries }
    }
}

impl Answer for Delivered<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "{}", Escaped(self.value_base64))
    }
}

impl Answer for Held<'_> {
    /// Empty if there were no values.
    fn text(&self, out: &mut dyn Write, terminal: bool) -> io::Result<()> {
        if let Some(token) = &self.lease {
            writeln!(out, "{token}")?;
        }
        self.values.iter().try_for_each(|value| value.text(out, terminal))
    }
}
