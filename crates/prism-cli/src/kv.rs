//! `prism kv`: values by key, one verb per file.

mod count;
mod del;
mod exists;
mod get;
mod scan;
mod set;

use clap::{Args, Subcommand};

use crate::connect::ConnectArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Format, Output, OutputArgs};
use crate::runtime;

const AFTER_HELP: &str = "\
Examples:
  prism kv set greeting hello --ttl 5min
  prism kv get greeting
  prism kv set logo --file logo.png
  prism kv get logo --output-file copy.png
  prism kv scan user: --limit 10
  prism kv count user: -n accounts -o json";

/// Store and read values by key.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Kv {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Set(set::Set),
    Get(get::Get),
    Del(del::Del),
    Exists(exists::Exists),
    Scan(scan::Scan),
    Count(count::Count),
}

impl Kv {
    pub(crate) fn format(&self) -> Format {
        self.output.output
    }

    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let output = Output::new(self.format());
        let keyvalue = self.connect.namespace()?.keyvalue();
        runtime::block_on(async {
            match self.verb {
                Verb::Set(set) => set.run(&keyvalue, output).await,
                Verb::Get(get) => get.run(&keyvalue, output).await,
                Verb::Del(del) => del.run(&keyvalue, output).await,
                Verb::Exists(exists) => exists.run(&keyvalue, output).await,
                Verb::Scan(scan) => scan.run(&keyvalue, self.connect.timeout(), output).await,
                Verb::Count(count) => count.run(&keyvalue, output).await,
            }
        })
    }
}
