//! The `prism` tool: a gateway for development in one process, and commands for data, health, conformance and load.
//!
//! | module | owns |
//! |---|---|
//! | `args` | the command line as a whole, and its help |
//! | `dev` | `prism dev` |
//! | `called` | the servers, where the binary is called by the name of one |
//! | `kv`, `list` | the data commands, one file each below |
//! | `namespaces`, `config` | the commands that go to the admin |
//! | `export`, `import`, `dump` | `prism export` and `prism import`, and the lines that they share |
//! | `health` | `prism health` |
//! | `conformance` | `prism conformance` |
//! | `bench` | `prism bench`, one noun a file below |
//! | `completions` | `prism completions` |
//! | `connect` | the options that name a gateway and a namespace |
//! | `admin` | the options that name an admin, and what it answers |
//! | `value` | where a value comes from |
//! | `runtime` | the thread that calls run on |
//! | `interrupt` | Ctrl-C |
//! | `time` | times as they are typed |
//! | `output` | answers as text or JSON |
//! | `escape`, `shell` | bytes made printable, words made for a shell |
//! | `exit` | exit codes |
//! | `failure` | what went wrong, and what to do next |
//!
//! Data goes through `prism-client` and nothing else, except for the load of `bench`, which is spare with its own time.
//! What the commands print and how they end is a promise to
//! scripts: `docs/CLI.md` writes it down.

mod admin;
mod args;
mod bench;
mod called;
mod completions;
mod config;
mod conformance;
mod connect;
mod dev;
mod dump;
mod escape;
mod exit;
mod export;
mod failure;
mod health;
mod import;
mod interrupt;
mod kv;
mod list;
mod namespaces;
mod output;
mod runtime;
mod shell;
mod time;
mod value;

use std::process::ExitCode;

/// Runs the command that the process was started with, or the server that it was called as.
#[must_use]
pub fn run() -> ExitCode {
    if let Some(ended) = called::run() {
        return ended;
    }
    let command = args::parse();
    let format = command.format();
    match command.run() {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(format).into(),
    }
}
