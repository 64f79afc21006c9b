//! `prism kv get-and-set` and `get-and-delete`: replace or remove a value, and print it.

use bytes::Bytes;
use clap::Args;
use prism_client::method::Method;
use prism_client::{Call, KeyValue};
use std::time::Duration;

use super::set::with_ttl;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::taken::Taken;
use crate::time::{millis, time};
use crate::value::ValueArgs;

/// Store a value and print the one that it replaces; exits with 3 if there was none.
#[derive(Args, Debug)]
pub(crate) struct GetAndSet {
    /// The key, 1 to 4096 bytes.
    key: String,

    #[command(flatten)]
    value: ValueArgs,

    /// Time to live, such as 90s, 5min or 250ms [default: forever].
    #[arg(long, value_name = "TIME", value_parser = time)]
    ttl: Option<Duration>,
}

/// Delete a key and print its value; exits with 3 if there was none.
#[derive(Args, Debug)]
pub(crate) struct GetAndDelete {
    /// The key.
    key: String,
}

impl GetAndSet {
    pub(super) async fn run(self, keyvalue: &KeyValue, output: Output) -> Result<Exit, Failure> {
        let call = keyvalue.get_and_set(self.key.as_str(), self.value.read()?);
        print(&self.key, with_ttl(call, self.ttl.map(millis)), output).await
    }
}

impl GetAndDelete {
    pub(super) async fn run(self, keyvalue: &KeyValue, output: Output) -> Result<Exit, Failure> {
        print(&self.key, keyvalue.get_and_delete(self.key.as_str()), output).await
    }
}

async fn print<M: Method<Output = Option<Bytes>>>(
    key: &str,
    call: Call<M>,
    output: Output,
) -> Result<Exit, Failure> {
    Taken::print(key, call.await?, output)
}
