//! Where a value comes from: the command line, a file or standard input. Its bytes are stored unchanged.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use prism_proto::limits::MESSAGE_BYTES_MAX;

use crate::failure::Failure;

/// The options of a command that stores a value.
#[derive(Args, Clone, Debug)]
pub(crate) struct ValueArgs {
    /// The value. If it is `-` or missing, it is read from standard input; if missing, that must not be empty.
    #[arg(allow_negative_numbers = true)]
    value: Option<OsString>,

    /// Read the value from this file.
    #[arg(long, value_name = "FILE", conflicts_with = "value")]
    file: Option<PathBuf>,
}

impl ValueArgs {
    /// Reads the value.
    pub(crate) fn read(self) -> Result<Bytes, Failure> {
        match self {
            Self { file: Some(path), .. } => {
                let name = path.display().to_string();
                let file = File::open(path).map_err(|error| Failure::file(&name, &error))?;
                read_bounded(file, &name)
            }
            Self { value: Some(value), .. } if value != "-" => Ok(value.into_vec().into()),
            Self { value: Some(_), .. } => read_bounded(io::stdin().lock(), "standard input"),
            Self { value: None, .. } if io::stdin().is_terminal() => Err(Failure::Usage(
                "no value: give it as an argument, with --file FILE, or on standard input".to_owned(),
            )),
            Self { value: None, .. } => unless_empty(read_bounded(io::stdin().lock(), "standard input")?),
        }
    }
}

/// Refuses an unintended empty value: from a program that failed before it wrote into the pipe, or without any input.
fn unless_empty(value: Bytes) -> Result<Bytes, Failure> {
    if value.is_empty() {
        return Err(Failure::Usage(
            "standard input is empty: to store an empty value, give '' or - instead".to_owned(),
        ));
    }
    Ok(value)
}

/// Reads to the end, or until it exceeds any message: input may be endless.
fn read_bounded(from: impl Read, name: &str) -> Result<Bytes, Failure> {
    let mut value = Vec::new();
    from.take(MESSAGE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut value)
        .map_err(|error| Failure::file(name, &error))?;
    if value.len() > MESSAGE_BYTES_MAX {
        return Err(Failure::TooLarge { name: name.to_owned(), limit: MESSAGE_BYTES_MAX });
    }
    Ok(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_input_is_refused() {
        let refused = read_bounded(io::repeat(0), "standard input").unwrap_err();
        assert!(matches!(refused, Failure::TooLarge { limit: MESSAGE_BYTES_MAX, .. }));
    }

    #[test]
    fn bytes_are_taken_as_they_are() {
        let value = ValueArgs { value: Some(OsString::from_vec(vec![b'a', 0xff, b'\n'])), file: None };
        assert_eq!(value.read().ok().unwrap(), &b"a\xff\n"[..]);
        assert_eq!(read_bounded(&b"\0\xff\n"[..], "x").ok().unwrap(), &b"\0\xff\n"[..]);
    }
}
