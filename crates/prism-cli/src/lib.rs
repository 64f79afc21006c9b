//! The `prism` tool: a gateway for development in one process, and commands for data, health, conformance and load.
//!
//! | module | owns |
//! |---|---|
//! | `args` | the command line as a whole, and its help |
//! | `dev` | `prism dev` |
//! | `diskstore` | `prism diskstore` |
//! | `called` | the servers, if the binary is called by the name of one |
//! | `kv`, `list` | the data commands, one file each below |
//! | `namespaces`, `backends`, `config` | the commands that go to the admin |
//! | `export`, `import`, `copy`, `dump` | `prism export`, `prism import` and `prism copy`, and what they share |
//! | `health` | `prism health` |
//! | `conformance` | `prism conformance` |
//! | `bench` | `prism bench`, one noun per file below |
//! | `token` | `prism token` |
//! | `shell` | `prism shell` |
//! | `completions` | `prism completions` |
//! | `connect` | the options that name a gateway and a namespace |
//! | `credential` | the options that name a token |
//! | `tls` | the options of TLS |
//! | `admin` | the options that name an admin, and its responses |
//! | `value` | where a value comes from |
//! | `variable` | options as variables |
//! | `runtime` | the thread on which calls run |
//! | `interrupt` | Ctrl-C |
//! | `time` | times in their written form |
//! | `output` | results as text or JSON |
//! | `escape` | making bytes printable |
//! | `exit` | exit codes |
//! | `failure` | what went wrong, and what to do next |
//!
//! Data goes through `prism-client` alone, except for the load of `bench`, which must be cheap. Scripts rely on what
//! the commands print and how they end: `docs/CLI.md` documents it.

mod admin;
mod args;
mod backends;
mod bench;
mod called;
mod completions;
mod condition;
mod config;
mod conformance;
mod connect;
mod copy;
mod credential;
mod dev;
mod diskstore;
mod drivers;
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
mod taken;
mod time;
mod tls;
mod token;
mod value;
mod variable;

use std::process::ExitCode;

/// Runs the command that the process was started with, or the server by whose name it was called.
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
