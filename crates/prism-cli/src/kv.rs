//! `prism kv`: values by key, one verb per file.

mod count;
mod del;
mod exists;
mod get;
mod incr;
mod many;
mod scan;
mod set;
mod take;
mod ttl;

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
  prism kv set lock me --if-absent --ttl 30s
  prism kv del lock --if-equals me
  prism kv incr visits
  prism kv ttl greeting
  prism kv mset user:1 Ada user:2 Grace
  prism kv mget user:1 user:2
  prism kv scan user: --limit 10
  prism kv del --prefix user:
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
    GetAndSet(take::GetAndSet),
    GetAndDelete(take::GetAndDelete),
    #[command(name = "mget")]
    MGet(many::MGet),
    #[command(name = "mset")]
    MSet(many::MSet),
    Incr(incr::Incr),
    Ttl(ttl::Ttl),
    Expire(ttl::Expire),
    Persist(ttl::Persist),
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
                Verb::Del(del) => del.run(&keyvalue, self.connect.timeout(), output).await,
                Verb::GetAndSet(set) => set.run(&keyvalue, output).await,
                Verb::GetAndDelete(delete) => delete.run(&keyvalue, output).await,
                Verb::MGet(get) => get.run(&keyvalue, output).await,
                Verb::MSet(set) => set.run(&keyvalue, output).await,
                Verb::Incr(incr) => incr.run(&keyvalue, output).await,
                Verb::Ttl(ttl) => ttl.run(&keyvalue, output).await,
                Verb::Expire(expire) => expire.run(&keyvalue, output).await,
                Verb::Persist(persist) => persist.run(&keyvalue, output).await,
                Verb::Exists(exists) => exists.run(&keyvalue, output).await,
                Verb::Scan(scan) => scan.run(&keyvalue, self.connect.timeout(), output).await,
                Verb::Count(count) => count.run(&keyvalue, output).await,
            }
        })
    }
}
