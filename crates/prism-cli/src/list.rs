//! `prism list`: ordered lists, one file per kind of verb.

mod length;
mod pop;
mod push;

use clap::{Args, Subcommand};

use crate::connect::ConnectArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Format, Output, OutputArgs};
use crate::runtime;

const AFTER_HELP: &str = "\
For a queue, push at the right and pop at the left; for a stack, push and pop at the right.

Examples:
  prism list push-right jobs first
  prism list push-right jobs second
  prism list length jobs
  prism list pop-left jobs";

/// Push and pop the values of lists.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct List {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Add a value at the left end and print the new length.
    PushLeft(push::Push),
    /// Add a value at the right end and print the new length.
    PushRight(push::Push),
    /// Remove the value at the left end and print it; exits with 3 if the list is empty.
    PopLeft(pop::Pop),
    /// Remove the value at the right end and print it; exits with 3 if the list is empty.
    PopRight(pop::Pop),
    Length(length::Length),
}

impl List {
    pub(crate) fn format(&self) -> Format {
        self.output.output
    }

    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let output = Output::new(self.format());
        let list = self.connect.namespace()?.list();
        runtime::block_on(async {
            match self.verb {
                Verb::PushLeft(push) => push.run(|key, value| list.push_left(key, value), output).await,
                Verb::PushRight(push) => push.run(|key, value| list.push_right(key, value), output).await,
                Verb::PopLeft(pop) => pop.run(|key| list.pop_left(key), output).await,
                Verb::PopRight(pop) => pop.run(|key| list.pop_right(key), output).await,
                Verb::Length(length) => length.run(&list, output).await,
            }
        })
    }
}
