//! `prism list length`: counts the values of a list.

use std::io::{self, Write};

use clap::Args;
use prism_client::List;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Output};

/// Print the number of values in a list; 0 if it is missing.
#[derive(Args, Debug)]
pub(crate) struct Length {
    /// The list.
    key: String,
}

/// The current number of values in a list.
#[derive(Serialize)]
pub(super) struct Counted<'a> {
    pub(super) key: &'a str,
    pub(super) length: u64,
}

impl Length {
    pub(super) async fn run(self, list: &List, output: Output) -> Result<Exit, Failure> {
        let length = list.length(self.key.as_str()).await?;
        output.print(&Counted { key: &self.key, length })?;
        Ok(Exit::Success)
    }
}

impl Answer for Counted<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "{}", self.length)
    }
}
