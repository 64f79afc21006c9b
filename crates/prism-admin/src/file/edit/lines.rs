//! Lists that are missing, empty, or hold a single item: what changes is the line of the key and what follows it,
//! however long the text is.

use std::ops::Range;

use super::change::Change;
use super::layout::Layout;
use crate::file::yaml::{List, block};

/// The text with the change made, if the lines around it are in the usual form. They may still mean something else, as
/// within a quoted text: the caller compares what the result means.
pub(super) fn edited(text: &str, list: List, change: &Change) -> Option<String> {
    let key = key_line(text, list.key());
    match (change, key) {
        (Change::Append(value), Some(key)) => {
            let (content, comment) = parts(&text[key.clone()], list);
            let first = format!("{}:{comment}\n  - {}\n", list.key(), block(value, 4)?);
            (content == "[]").then(|| [&text[..key.start], &first, &text[key.end..]].concat())
        }
        (Change::Append(value), None) => {
            let at = list.follower().and_then(|key| key_line(text, key));
            let at = at.map_or(text.len(), |key| above(text, key.start));
            let first = format!("{}:\n  - {}\n", list.key(), block(value, 4)?);
            Some([&text[..at], &first, &text[at..]].concat())
        }
        (Change::Remove(0), Some(key)) => {
            let only = Layout::only(text, list)?;
            let (content, comment) = parts(&text[key.clone()], list);
            let none = format!("{}: []{comment}\n", list.key());
            let between = &text[key.end..only.start];
            content.is_empty().then(|| [&text[..key.start], &none, between, &text[only.end..]].concat())
        }
        _ => None,
    }
}

/// The line that begins with a key.
fn key_line(text: &str, key: &str) -> Option<Range<usize>> {
    let mut start = 0;
    text.split_inclusive('\n').find_map(|line| {
        let at = start..start + line.len();
        start = at.end;
        line.strip_prefix(key)?.starts_with(':').then_some(at)
    })
}

/// What a key's line has after the colon: the value, and the comment with a space before it.
fn parts(line: &str, list: List) -> (&str, String) {
    let behind = line[list.key().len() + 1..].trim_end();
    match behind.split_once('#') {
        Some((value, comment)) => (value.trim(), format!(" #{comment}")),
        None => (behind.trim(), String::new()),
    }
}

/// The start of the comments directly above a line. Those at the start of a text are the file's and stay there.
fn above(text: &str, line: usize) -> usize {
    let mut start = line;
    while let Some(before) = text[..start].strip_suffix('\n') {
        let above = before.rfind('\n').map_or(0, |newline| newline + 1);
        if !before[above..].starts_with('#') {
            return start;
        }
        start = above;
    }
    line
}
