//! `prism list`: ordered lists, one file per kind of verb.

mod lease;
mod length;
mod ls;
mod outage;
mod pop;
mod push;
mod range;
mod reserve;
mod tail;

use clap::{Args, Subcommand};
use prism_client::End;

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
  prism list range jobs
  prism list pop-left jobs
  prism list pop-left jobs --wait 30s
  prism list push-left recent page-7 --max-len 100
  prism list reserve jobs --lease 1min
  prism list tail jobs
  prism list ls";

/// Push, pop, read and change the values of lists.
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
    Reserve(reserve::Reserve),
    Ack(lease::Ack),
    Extend(lease::Extend),
    Release(lease::Release),
    Tail(tail::Tail),
    Length(length::Length),
    Range(range::Range),
    Get(range::Get),
    Set(range::Set),
    Remove(range::Remove),
    Trim(range::Trim),
    Clear(range::Clear),
    Ls(ls::Ls),
    Count(ls::Count),
}

impl List {
    pub(crate) fn format(&self) -> Format {
        self.output.output
    }

    pub(crate) fn run(mut self) -> Result<Exit, Failure> {
        let output = Output::new(self.format());
        if let Verb::Tail(tail) = &self.verb {
            self.connect.limit_timeout(tail.call_max());
        }
        let list = self.connect.namespace()?.list();
        runtime::block_on(async {
            match self.verb {
                Verb::PushLeft(push) => push.run(&list, End::Left, output).await,
                Verb::PushRight(push) => push.run(&list, End::Right, output).await,
                Verb::PopLeft(pop) => pop.run(&list, End::Left, output).await,
                Verb::PopRight(pop) => pop.run(&list, End::Right, output).await,
                Verb::Reserve(reserve) => reserve.run(&list, output).await,
                Verb::Ack(ack) => ack.run(&list, output).await,
                Verb::Extend(extend) => extend.run(&list, output).await,
                Verb::Release(release) => release.run(&list, output).await,
                Verb::Tail(tail) => tail.run(&list, output).await,
                Verb::Range(range) => range.run(&list, output).await,
                Verb::Get(get) => get.run(&list, output).await,
                Verb::Set(set) => set.run(&list, output).await,
                Verb::Remove(remove) => remove.run(&list, output).await,
                Verb::Trim(trim) => trim.run(&list, output).await,
                Verb::Clear(clear) => clear.run(&list, output).await,
                Verb::Ls(ls) => ls.run(&list, output).await,
                Verb::Count(count) => count.run(&list, output).await,
                Verb::Length(length) => length.run(&list, output).await,
            }
        })
    }
}
