//! `prism list pop-left` and `pop-right`: remove values and print them.

use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use prism_client::{End, List};

use super::range::{Value, print_all};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::taken::Taken;
use crate::time::time;

#[derive(Args, Debug)]
pub(crate) struct Pop {
    /// The list.
    key: String,

    /// Wait for a value for at most this time, such as 30s; at most 5min.
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "count")]
    wait: Option<Duration>,

    /// Remove up to this many values, 1 to 1000, and print each on a line, escaped.
    #[arg(long, value_name = "N")]
    count: Option<i64>,
}

impl Pop {
    pub(super) async fn run(self, list: &List, end: End, output: Output) -> Result<Exit, Failure> {
        let key = self.key.as_str();
        if let Some(count) = self.count {
            let values = list.pop_many(key, end, count).await?;
            let found = !values.is_empty();
            print_all(values.into_iter().map(|value| Value { value_base64: value }), output)?;
            return Ok(Exit::found(found));
        }
        let value: Option<Bytes> = match (self.wait, end) {
            (Some(wait), end) => list.blocking_pop(key, end, wait).await?,
            (None, End::Left) => list.pop_left(key).await?,
            (None, End::Right) => list.pop_right(key).await?,
        };
        Taken::print(key, value, output)
    }
}
