//! `prism list push-left` and `push-right`: add values.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use bytes::Bytes;
use clap::Args;
use prism_client::{End, List};

use super::length::Counted;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::value::ValueArgs;

#[derive(Args, Debug)]
pub(crate) struct Push {
    /// The list, 1 to 4096 bytes; created if it is missing.
    key: String,

    #[command(flatten)]
    value: ValueArgs,

    /// More values, which follow the first in the same atomic step; at most 1000 in all.
    #[arg(value_name = "VALUE", conflicts_with = "file", allow_negative_numbers = true)]
    more: Vec<OsString>,

    /// How many values the list may have afterwards: as many as are over it are removed at the other end, in the same step.
    #[arg(long, value_name = "N")]
    max_len: Option<i64>,
}

impl Push {
    pub(super) async fn run(self, list: &List, end: End, output: Output) -> Result<Exit, Failure> {
        let (key, value) = (self.key.as_str(), self.value.read()?);
        let length = match (self.max_len, end) {
            (None, End::Left) if self.more.is_empty() => list.push_left(key, value).await?,
            (None, End::Right) if self.more.is_empty() => list.push_right(key, value).await?,
            (max_len, end) => {
                let more = self.more.into_iter().map(|value| Bytes::from(value.into_vec()));
                let call = list.push_many(key, end, [value].into_iter().chain(more));
                let call = match max_len {
                    Some(max_len) => call.max_len(max_len),
                    None => call,
                };
                call.await?.new_length
            }
        };
        output.print(&Counted { key, length })?;
        Ok(Exit::Success)
    }
}
