//! The lines of an export, read by a separate thread: a pipe may keep a reader waiting, and Ctrl-C must work then, too.

use std::io::{BufRead, BufReader, Read};

use tokio::sync::mpsc::{Receiver, channel};

use crate::dump::Line;
use crate::failure::Failure;

/// A line and its length in bytes, or an error.
pub(super) type Next = Result<(Line, u64), Failure>;

/// Reads the lines of `from`, called `name`, after the one with the key `start_after`, up to `ahead` lines in advance.
/// Ends at the first invalid line.
pub(super) fn read(
    name: String,
    start_after: Option<String>,
    from: impl Read + Send + 'static,
    ahead: usize,
) -> Receiver<Next> {
    let (send, lines) = channel(ahead);
    // Ends with the input or the process: a blocked read cannot be interrupted.
    std::thread::spawn(move || {
        let mut reader = Reader { name, from: BufReader::new(from), number: 0, behind: start_after };
        loop {
            let line = reader.next().transpose();
            let goes_on = matches!(line, Some(Ok(_)));
            if line.is_none_or(|line| send.blocking_send(line).is_err()) || !goes_on {
                return;
            }
        }
    });
    lines
}

struct Reader<R> {
    name: String,
    from: BufReader<R>,
    /// The number of the last line read, from 1.
    number: u64,
    /// The key of the line before the first one to return.
    behind: Option<String>,
}

impl<R: Read> Reader<R> {
    /// The next line; `None` at the end.
    fn next(&mut self) -> Result<Option<(Line, u64)>, Failure> {
        loop {
            let mut text = Vec::new();
            self.number += 1;
            let read = self.from.read_until(b'\n', &mut text);
            let bytes = read.map_err(|error| Failure::file(&self.name, &error))?;
            if bytes == 0 {
                return match &self.behind {
                    Some(key) => Err(Failure::File(format!("{}: no line has the key {key:?}", self.name))),
                    None => Ok(None),
                };
            }
            let line = self.parse(&text)?;
            match &self.behind {
                None => return Ok(Some((line, bytes as u64))),
                Some(key) if *key == line.key => self.behind = None,
                Some(_) => {}
            }
        }
    }

    fn parse(&self, text: &[u8]) -> Result<Line, Failure> {
        serde_json::from_slice(text).map_err(|error| {
            // The parser counts lines within this one.
            let error = error.to_string();
            let why = error.rsplit_once(" at line ").map_or(error.as_str(), |(why, _)| why);
            let (name, number) = (&self.name, self.number);
            Failure::File(format!(
                "{name}:{number}: {why}; expected {{\"key\":TEXT,\"value_base64\":BASE64}}"
            ))
        })
    }
}
