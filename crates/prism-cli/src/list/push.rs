//! `prism list push-left` and `push-right`: add a value.

use bytes::Bytes;
use clap::Args;
use prism_client::Call;
use prism_client::method::Method;

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
}

impl Push {
    /// Pushes with the given call, which determines the end of the list.
    pub(super) async fn run<M: Method<Output = u64>>(
        self,
        call: impl FnOnce(String, Bytes) -> Call<M>,
        output: Output,
    ) -> Result<Exit, Failure> {
        let value = self.value.read()?;
        let length = call(self.key.clone(), value).await?;
        output.print(&Counted { key: &self.key, length })?;
        Ok(Exit::Success)
    }
}
