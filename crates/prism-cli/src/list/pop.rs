//! `prism list pop-left` and `pop-right`: remove a value and print it.

use std::io::{self, Write};

use bytes::Bytes;
use clap::Args;
use prism_client::Call;
use prism_client::method::Method;
use serde::{Serialize, Serializer};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Output, base64, write_raw};

#[derive(Args, Debug)]
pub(crate) struct Pop {
    /// The list.
    key: String,
}

#[derive(Serialize)]
struct Popped<'a> {
    key: &'a str,
    found: bool,
    #[serde(serialize_with = "base64_or_null")]
    value_base64: Option<Bytes>,
}

impl Pop {
    /// Pops with the given call, which determines the end of the list.
    pub(super) async fn run<M: Method<Output = Option<Bytes>>>(
        self,
        call: impl FnOnce(String) -> Call<M>,
        output: Output,
    ) -> Result<Exit, Failure> {
        let value = call(self.key.clone()).await?;
        let found = value.is_some();
        output.print(&Popped { key: &self.key, found, value_base64: value })?;
        Ok(Exit::found(found))
    }
}

fn base64_or_null<S: Serializer>(value: &Option<Bytes>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => base64(value, serializer),
        None => serializer.serialize_none(),
    }
}

impl Answer for Popped<'_> {
    /// Empty if nothing was popped: the exit code distinguishes that from an empty value.
    fn text(&self, out: &mut dyn Write, terminal: bool) -> io::Result<()> {
        match &self.value_base64 {
            Some(value) => write_raw(out, value, terminal),
            None if terminal => writeln!(out, "(empty)"),
            None => Ok(()),
        }
    }
}
