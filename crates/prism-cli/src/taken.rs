//! A value that a command takes and prints.

use std::io::{self, Write};

use bytes::Bytes;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Output, base64_or_null, write_raw};

/// A value that was removed or replaced, and is printed.
#[derive(Serialize)]
pub(crate) struct Taken<'a> {
    key: &'a str,
    found: bool,
    #[serde(serialize_with = "base64_or_null")]
    value_base64: Option<Bytes>,
}

impl<'a> Taken<'a> {
    /// Prints the value, if there is one.
    pub(crate) fn print(key: &'a str, value: Option<Bytes>, output: Output) -> Result<Exit, Failure> {
        let found = value.is_some();
        output.print(&Self { key, found, value_base64: value })?;
        Ok(Exit::found(found))
    }
}

impl Answer for Taken<'_> {
    /// Empty if there was none: the exit code distinguishes that from an empty value.
    fn text(&self, out: &mut dyn Write, terminal: bool) -> io::Result<()> {
        match &self.value_base64 {
            Some(value) => write_raw(out, value, terminal),
            None if terminal => writeln!(out, "(none)"),
            None => Ok(()),
        }
    }
}
