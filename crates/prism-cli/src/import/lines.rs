//! The lines of an export, read by a separate thread: a pipe may keep a reader waiting, and Ctrl-C must work then, too.

use std::io::{BufRead, BufReader, Read};

use prism_client::Item;
use tokio::sync::mpsc::{Receiver, channel};

use crate::dump::Line;
use crate::failure::Failure;

/// A line, or an error.
pub(super) type Next = Result<Numbered, Failure>;

/// A line, its number from 1, and its length in bytes.
pub(super) struct Numbered {
    pub(super) number: u64,
    pub(super) line: Line,
    pub(super) bytes: u64,
}

/// Which lines are left out.
#[derive(Debug)]
pub(super) enum Behind {
    /// The first ones.
    Lines(u64),
    /// Those up to the one with this key.
    Key(String),
}

/// Reads the lines of `from`, called `name`, except for those that are left out, up to `ahead` lines in advance. Ends at the first invalid
/// line.
pub(super) fn read(
    name: String,
    behind: Behind,
    from: impl Read + Send + 'static,
    ahead: usize,
) -> Receiver<Next> {
    let (send, lines) = channel(ahead);
    // Ends with the input or the process: a blocked read cannot be interrupted.
    std::thread::spawn(move || {
        let mut reader = Reader { name, from: BufReader::new(from), number: 0, behind };
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
    behind: Behind,
}

impl<R: Read> Reader<R> {
    /// The next line; `None` at the end.
    fn next(&mut self) -> Result<Option<Numbered>, Failure> {
        loop {
            let mut text = Vec::new();
            self.number += 1;
            let read = self.from.read_until(b'\n', &mut text);
            let bytes = read.map_err(|error| Failure::file(&self.name, &error))?;
            if bytes == 0 {
                return match &self.behind {
                    Behind::Key(key) => {
                        Err(Failure::File(format!("{}: no line has the key {key:?}", self.name)))
                    }
                    Behind::Lines(lines) if self.number <= *lines => Err(Failure::File(format!(
                        "{}: it has {} lines, and is to be continued behind {lines}",
                        self.name,
                        self.number - 1
                    ))),
                    Behind::Lines(_) => Ok(None),
                };
            }
            if matches!(&self.behind, Behind::Lines(lines) if self.number <= *lines) {
                continue;
            }
            let line = self.parse(&text)?;
            match &self.behind {
                Behind::Lines(_) => {
                    return Ok(Some(Numbered { number: self.number, line, bytes: bytes as u64 }));
                }
                Behind::Key(behind) => {
                    if matches!(&line.0.item, Item::Key { key, .. } if key == behind) {
                        self.behind = Behind::Lines(self.number);
                    }
                }
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
                "{name}:{number}: {why}; expected {{\"key\":TEXT,\"value_base64\":BASE64}} or \
                 {{\"list_key\":TEXT,\"values_base64\":[BASE64]}}"
            ))
        })
    }
}
