//! The command line as a whole: the commands, their help and the variables of `prism dev`.

use clap::{CommandFactory as _, Parser, Subcommand};
use prism_runtime::args;

use crate::backends::Backends;
use crate::bench::Bench;
use crate::completions::Completions;
use crate::config::Config;
use crate::conformance::Conformance;
use crate::copy::Copy;
use crate::dev::{self, Dev};
use crate::diskstore::DiskStore;
use crate::exit::Exit;
use crate::export::Export;
use crate::failure::Failure;
use crate::health::Health;
use crate::import::Import;
use crate::kv::Kv;
use crate::list::List;
use crate::namespaces::Namespaces;
use crate::output::Format;
use crate::shell::Shell;
use crate::token::Token;

const AFTER_HELP: &str = "\
Start a gateway, then try it from another terminal:
  prism dev
  prism kv set greeting hello
  prism kv get greeting

Exit codes:
  0   success
  1   failed: the call was refused, a case failed, a server is not serving, a proxy is out of sync
  2   wrong usage
  3   not found: no such key, an empty list, no such service, namespace, backend or revision
  4   unavailable: the server could not be reached, or the timeout expired
  5   a condition did not hold: nothing has changed
  69  prism dev: an address cannot be bound
  78  prism dev, prism config validate: invalid configuration";

/// The command-line tool of Prism, the data-access gateway.
#[derive(Debug, Parser)]
#[command(name = "prism", version, after_help = AFTER_HELP, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Dev(Box<Dev>),
    Kv(Kv),
    List(List),
    Export(Export),
    Import(Import),
    Copy(Copy),
    Namespaces(Namespaces),
    Backends(Backends),
    Config(Config),
    Token(Token),
    #[command(name = "diskstore")]
    DiskStore(DiskStore),
    Health(Health),
    Conformance(Conformance),
    Bench(Box<Bench>),
    Shell(Shell),
    Completions(Completions),
}

impl Command {
    /// The output format of this command.
    pub(crate) fn format(&self) -> Format {
        match self {
            Self::Dev(_) | Self::Shell(_) | Self::Completions(_) => Format::Text,
            Self::Kv(kv) => kv.format(),
            Self::List(list) => list.format(),
            Self::Export(export) => export.format(),
            Self::Import(import) => import.format(),
            Self::Copy(copy) => copy.format(),
            Self::Namespaces(namespaces) => namespaces.format(),
            Self::Backends(backends) => backends.format(),
            Self::Config(config) => config.format(),
            Self::Token(token) => token.format(),
            Self::DiskStore(store) => store.format(),
            Self::Health(health) => health.format(),
            Self::Conformance(conformance) => conformance.format(),
            Self::Bench(bench) => bench.format(),
        }
    }

    pub(crate) fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::Dev(dev) => dev.run(),
            Self::Kv(kv) => kv.run(),
            Self::List(list) => list.run(),
            Self::Export(export) => export.run(),
            Self::Import(import) => import.run(),
            Self::Copy(copy) => copy.run(),
            Self::Namespaces(namespaces) => namespaces.run(),
            Self::Backends(backends) => backends.run(),
            Self::Config(config) => config.run(),
            Self::Token(token) => token.run(),
            Self::DiskStore(store) => store.run(),
            Self::Health(health) => health.run(),
            Self::Conformance(conformance) => conformance.run(),
            Self::Bench(bench) => bench.run(),
            Self::Shell(shell) => shell.run(command()),
            Self::Completions(completions) => completions.run(command()),
        }
    }
}

/// The command line's grammar.
pub(crate) fn command() -> clap::Command {
    Cli::command().mut_subcommand("dev", dev::with_defaults)
}

/// Parses the process's arguments. Wrong usage, `--help` and `--version` end the process.
pub(crate) fn parse() -> Command {
    let parsed = args::parse_words::<Cli>(command(), std::env::args_os());
    parsed.unwrap_or_else(|error| args::end("prism", &error)).command
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches as _;

    use super::*;

    fn parsed(words: &str) -> Result<Command, clap::Error> {
        let words = ["prism"].into_iter().chain(words.split_whitespace());
        command()
            .try_get_matches_from(words)
            .and_then(|matches| Cli::from_arg_matches(&matches))
            .map(|cli| cli.command)
    }

    #[test]
    fn the_grammar_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn common_options_stand_before_or_behind_the_verb() {
        for words in ["kv -o json get a", "kv get a -o json", "kv get -o json a", "list length -o json a"] {
            assert_eq!(parsed(words).unwrap().format(), Format::Json, "{words}");
        }
    }

    #[test]
    fn negative_numbers_and_a_dash_are_values() {
        for words in ["kv set a -5", "kv set a -", "list push-left a -1.5"] {
            assert!(parsed(words).is_ok(), "{words}");
        }
    }

    #[test]
    fn wrong_usage_is_refused() {
        for words in [
            "kv",
            "kv get",
            "kv get a b",
            "kv del",
            "kv set a b --file c",
            "kv set a b --tll 5s",
            "kv set a b --ttl 5",
            "kv scan --limit -1",
            "kv get a --timeout 0s",
            "kv get a --address nowhere",
            "kv get a -o xml",
            "health --wait soon",
            "completions tcsh",
            "bench --connections 0",
            "bench --calls gets",
            "namespaces",
            "namespaces ls --admin nowhere",
            "namespaces create a --endpoint b:1 --backend c",
            "backends create a --embedded b --endpoint c:1",
            "backends create a --option b",
            "backends probe",
            "backends probe a --endpoint b:1",
            "config revisions --diff",
            "export",
            "copy a",
            "copy a b --to-address nowhere",
            "import a b --resume 1 --start-after c",
        ] {
            let error = parsed(words).err().unwrap_or_else(|| panic!("{words:?} is accepted"));
            // clap shows the help of a command without its verb; that also ends with 2.
            assert_eq!(error.exit_code(), 2, "{words}");
        }
    }

    #[test]
    fn every_exit_code_is_in_the_help() {
        for exit in Exit::ALL {
            let code = exit.code().to_string();
            assert!(
                AFTER_HELP.lines().any(|line| line.split_whitespace().next() == Some(code.as_str())),
                "{code} is not documented"
            );
        }
    }
}
