//! Results on standard output: text for people, or one JSON object per line for programs.

use std::io::{self, IsTerminal as _, StdoutLock, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::{Args, ValueEnum};
use serde::{Serialize, Serializer};

/// The option of every command with a result.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Common options")]
pub(crate) struct OutputArgs {
    /// Format of results and errors: text, or json (one object per line).
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true
    )]
    pub(crate) output: Format,
}

/// The output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// A result in two forms: JSON by `Serialize`, and text.
pub(crate) trait Answer: Serialize {
    /// Writes the text form.
    fn text(&self, out: &mut dyn Write, terminal: bool) -> io::Result<()>;
}

/// Standard output. Fails with [`io::ErrorKind::BrokenPipe`] when the reader has gone, such as `head`.
pub(crate) struct Output {
    format: Format,
    terminal: bool,
    out: io::BufWriter<StdoutLock<'static>>,
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        let out = io::stdout().lock();
        Self { format, terminal: out.is_terminal(), out: io::BufWriter::new(out) }
    }

    /// Whether the output is JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Writes a result, which is visible once flushed.
    pub(crate) fn write(&mut self, answer: &impl Answer) -> io::Result<()> {
        match self.format {
            Format::Text => answer.text(&mut self.out, self.terminal),
            Format::Json => write_json(&mut self.out, answer),
        }
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Writes the only result.
    pub(crate) fn print(mut self, answer: &impl Answer) -> io::Result<()> {
        self.write(answer)?;
        self.flush()
    }
}

/// Writes one JSON object and a newline.
pub(crate) fn write_json(out: &mut impl Write, object: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, object)?;
    out.write_all(b"\n")
}

/// A number and a noun: "1 key", "2 keys".
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Writes a value unchanged; on a terminal, adds a newline, so that the prompt is not appended to it.
pub(crate) fn write_raw(out: &mut dyn Write, value: &[u8], terminal: bool) -> io::Result<()> {
    out.write_all(value)?;
    if terminal && !value.ends_with(b"\n") { out.write_all(b"\n") } else { Ok(()) }
}

/// Serializes bytes, if there are any, as base64.
pub(crate) fn base64_or_null<S: Serializer>(value: &Option<Bytes>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => base64(value, serializer),
        None => serializer.serialize_none(),
    }
}

/// Serializes bytes as base64, with padding (RFC 4648, section 4).
pub(crate) fn base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_gets_a_line_end_on_a_terminal_only() {
        let raw = |value: &[u8], terminal| {
            let mut out = Vec::new();
            write_raw(&mut out, value, terminal).unwrap();
            out
        };
        assert_eq!(raw(b"a", false), b"a");
        assert_eq!(raw(b"a", true), b"a\n");
        assert_eq!(raw(b"a\n", true), b"a\n");
    }

    #[test]
    fn json_holds_values_as_base64_on_one_line() {
        #[derive(Serialize)]
        struct Sample<'a> {
            #[serde(serialize_with = "base64")]
            value_base64: &'a [u8],
        }
        let mut out = Vec::new();
        write_json(&mut out, &Sample { value_base64: b"\0\xff\n" }).unwrap();
        assert_eq!(out, b"{\"value_base64\":\"AP8K\"}\n");
    }
}
