//! `prism diskstore`: looking at a store on disk that no process has open.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use prism_diskstore::Report;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Format, Output, OutputArgs};

const AFTER_HELP: &str = "\
The store must not be open: stop its process first. Both commands exit with 1 if the store is open, damaged, or none.

Examples:
  prism diskstore check /var/lib/prism/store
  prism diskstore stats /var/lib/prism/store -o json";

/// Check a store on disk, or count what it holds.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct DiskStore {
    #[command(subcommand)]
    verb: Verb,

    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Read everything in the store: verifies all checksums, and compares what depends on each other.
    Check(Folder),
    /// Count what the store holds, without reading it.
    Stats(Folder),
}

#[derive(Args, Debug)]
struct Folder {
    /// The store's folder.
    #[arg(value_name = "PATH")]
    path: PathBuf,
}

/// What a store holds, as it is printed.
#[derive(Serialize)]
struct Held {
    checked: bool,
    namespaces: u64,
    keys: u64,
    lists: u64,
    disk_bytes: u64,
    /// Of a check: keys that expire, values in lists and under leases, answers to calls under idempotency keys, and bytes of all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    read: Option<Read>,
}

#[derive(Serialize)]
struct Read {
    expiring_keys: u64,
    list_values: u64,
    reserved_values: u64,
    answers: u64,
    data_bytes: u64,
}

impl DiskStore {
    pub(crate) fn format(&self) -> Format {
        self.output.output
    }

    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let (report, checked) = match &self.verb {
            Verb::Check(Folder { path }) => (prism_diskstore::check(path), true),
            Verb::Stats(Folder { path }) => (prism_diskstore::stats(path), false),
        };
        let Report {
            namespaces,
            keys,
            expiring,
            lists,
            list_values,
            reserved_values,
            answers,
            data_bytes,
            disk_bytes,
        } = report.map_err(Failure::File)?;
        let read = checked.then_some(Read {
            expiring_keys: expiring,
            list_values,
            reserved_values,
            answers,
            data_bytes,
        });
        let held = Held { checked, namespaces, keys, lists, disk_bytes, read };
        Output::new(self.output.output).print(&held)?;
        Ok(Exit::Success)
    }
}

impl Answer for Held {
    fn text(&self, out: &mut dyn Write, _terminal: bool) -> io::Result<()> {
        if let Some(read) = &self.read {
            writeln!(out, "The store is whole: everything in it was read.\n")?;
            writeln!(out, "keys that expire  {}", read.expiring_keys)?;
            writeln!(out, "values in lists   {}", read.list_values)?;
            writeln!(out, "values reserved   {}", read.reserved_values)?;
            writeln!(out, "answers kept      {}", read.answers)?;
            writeln!(out, "bytes of data     {}", read.data_bytes)?;
        }
        writeln!(out, "namespaces        {}", self.namespaces)?;
        writeln!(out, "keys              {}", self.keys)?;
        writeln!(out, "lists             {}", self.lists)?;
        writeln!(out, "bytes on disk     {}", self.disk_bytes)
    }
}
