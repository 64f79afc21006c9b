//! `prism list ls` and `count`: which lists there are.

use std::io::{self, Write};

use clap::Args;
use prism_client::{List, ListEntry};
use serde::Serialize;

use crate::escape::Escaped;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Output};

/// List the lists with a prefix: name, tab, length.
#[derive(Args, Debug)]
pub(crate) struct Ls {
    /// The prefix; without one, list all.
    #[arg(default_value = "", hide_default_value = true)]
    prefix: String,

    /// Maximum number of lists; 0 lists all.
    #[arg(long, value_name = "N", default_value = "0", value_parser = clap::value_parser!(i32).range(0..))]
    limit: i32,
}

/// Count the lists with a prefix.
#[derive(Args, Debug)]
pub(crate) struct Count {
    /// The prefix; without one, count all lists.
    #[arg(default_value = "", hide_default_value = true)]
    prefix: String,
}

#[derive(Serialize)]
struct Listed {
    key: String,
    length: u64,
}

#[derive(Serialize)]
struct Counted<'a> {
    prefix: &'a str,
    count: u64,
}

impl Ls {
    pub(super) async fn run(self, list: &List, mut output: Output) -> Result<Exit, Failure> {
        let mut lists = list.lists(self.prefix).limit(self.limit);
        while let Some(found) = lists.next().await {
            let ListEntry { list_key, length, .. } = match found {
                Ok(found) => found,
                Err(error) => {
                    output.flush()?;
                    return Err(error.into());
                }
            };
            output.write(&Listed { key: list_key, length })?;
        }
        output.flush()?;
        Ok(Exit::Success)
    }
}

impl Count {
    pub(super) async fn run(self, list: &List, output: Output) -> Result<Exit, Failure> {
        let count = list.count_lists(self.prefix.as_str()).await?;
        output.print(&Counted { prefix: &self.prefix, count })?;
        Ok(Exit::Success)
    }
}

impl Answer for Listed {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "{}\t{}", Escaped(self.key.as_bytes()), self.length)
    }
}

impl Answer for Counted<'_> {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        writeln!(out, "{}", self.count)
    }
}
