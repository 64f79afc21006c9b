//! `prism kv set`: stores a value.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use prism_client::method::Expiring;
use prism_client::{Call, KeyValue};
use serde::Serialize;

use crate::condition::ConditionArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Output};
use crate::time::{millis, time, whole_seconds};
use crate::value::ValueArgs;

/// Store a value, replacing the key's value and its time to live.
#[derive(Args, Debug)]
pub(crate) struct Set {
    /// The key, 1 to 4096 bytes.
    key: String,

    #[command(flatten)]
    value: ValueArgs,

    /// Time to live, such as 90s, 5min or 250ms [default: forever].
    #[arg(long, value_name = "TIME", value_parser = time)]
    ttl: Option<Duration>,

    #[command(flatten)]
    condition: ConditionArgs,
}

#[derive(Serialize)]
struct Stored<'a> {
    key: &'a str,
    value_bytes: usize,
    /// Rounded up.
    ttl_seconds: Option<i64>,
    /// Whether the condition, if there was one, held.
    #[serde(skip_serializing_if = "Option::is_none")]
    applied: Option<bool>,
}

impl Set {
    pub(super) async fn run(self, keyvalue: &KeyValue, output: Output) -> Result<Exit, Failure> {
        let ttl_millis = self.ttl.map(millis);
        let value = self.value.read()?;
        let (key, value_bytes) = (self.key.as_str(), value.len());
        let applied = match self.condition.condition() {
            Some(condition) => {
                let call = keyvalue.set_if(key, value, condition);
                Some(with_ttl(call, ttl_millis).await?.applied)
            }
            None => {
                with_ttl(keyvalue.set(key, value), ttl_millis).await?;
                None
            }
        };
        let ttl_seconds = self.ttl.map(whole_seconds);
        output.print(&Stored { key, value_bytes, ttl_seconds, applied })?;
        Ok(if applied == Some(false) { Exit::NotApplied } else { Exit::Success })
    }
}

/// The call with a time to live, if there is one.
pub(super) fn with_ttl<M: Expiring>(call: Call<M>, millis: Option<i64>) -> Call<M> {
    match millis {
        Some(millis) => call.ttl_millis(millis),
        None => call,
    }
}

impl Answer for Stored<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "{}", if self.applied == Some(false) { "not applied" } else { "OK" })
    }
}
