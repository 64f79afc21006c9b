//! Where the items of a list are in a text, so that the cost of changing one depends on its size and not on the file's.
//!
//! A text whose list is in block style is cut at line starts:
//!
//! ```text
//! head      everything up to the list
//! piece     an item from the comments directly above its dash to the last line of its content
//! gap       empty lines and comments that belong to no item
//! piece
//! tail      everything after the last piece
//! ```
//!
//! The cut is used only if each piece on its own is the item that the parser finds in the whole text, and head and
//! tail together are the rest. Then no quoted text, bracket, anchor or document crosses a cut: the parser is in the
//! same state at each of them, whatever the pieces are. So a piece may be replaced by another that is also exactly one
//! item on its own, and the whole text need not be parsed to know its meaning.

use std::ops::Range;

use serde_yaml::Value;

use super::change::Change;
use super::{comments, document, line_ends};
use crate::file::yaml::{List, block, items, parse};

/// The cut of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    list: List,
    /// The column of the dashes.
    dash: usize,
    /// The bytes of each item, in order; never empty.
    pieces: Vec<Range<usize>>,
}

/// A text in which one piece was changed.
#[derive(Debug)]
pub struct Spliced {
    /// The whole text.
    pub text: String,
    /// Its cut.
    pub layout: Layout,
    /// The text with only the item that was added or changed; `None` if one was removed.
    pub alone: Option<String>,
    /// Whether the brackets of the piece changed, including those in text and comments.
    pub brackets_changed: bool,
    /// What could not be kept, one sentence each.
    pub warnings: Vec<String>,
}

impl Layout {
    /// The cut of a text whose list has these items and, without them, means `rest`; `None` if it cannot be cut.
    #[must_use]
    pub fn of<'a>(
        text: &str,
        list: List,
        rest: &Value,
        items: impl ExactSizeIterator<Item = &'a Value>,
    ) -> Option<Self> {
        let layout = Self::by_lines(text, list)?;
        let (head, tail) = (layout.pieces.first()?.start, layout.pieces.last()?.end);
        let is_whole = items.len() == layout.pieces.len()
            && parse(&[&text[..head], &text[tail..]].concat()).as_ref() == Ok(rest)
            && layout
                .pieces
                .iter()
                .zip(items)
                .all(|(piece, value)| stands_for(list, &text[piece.clone()], value));
        is_whole.then_some(layout)
    }

    /// The cut that the lines suggest.
    fn by_lines(text: &str, list: List) -> Option<Self> {
        let key = format!("{}:", list.key());
        let mut pieces: Vec<Range<usize>> = Vec::new();
        let (mut dash, mut in_list) = (None, false);
        // Where the comments directly above the next line start, if any.
        let mut comments = None;
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let end = start + line.len();
            let content = line.trim_start_matches(' ');
            let column = line.len() - content.len();
            let content = content.trim_end();
            if !in_list {
                in_list = line.split('#').next().map(str::trim_end) == Some(&key);
            } else if content.is_empty() {
                comments = None;
            } else if content.starts_with('#') {
                // The column is unknown until the first dash: the comments above it are assigned then.
                let is_ours = dash.is_none_or(|dash| dash == column);
                comments = is_ours.then(|| comments.unwrap_or((start, column)));
            } else if (content == "-" || content.starts_with("- ")) && *dash.get_or_insert(column) == column {
                let above = comments.take().filter(|(_, at)| *at == column).map(|(above, _)| above);
                pieces.push(above.unwrap_or(start)..end);
            } else if dash.is_some_and(|dash| column > dash) {
                comments = None;
                pieces.last_mut()?.end = end;
            } else if column == 0 && dash.is_some() {
                break;
            } else {
                return None;
            }
            start = end;
        }
        text.ends_with('\n').then_some(Self { list, dash: dash?, pieces })
    }

    /// The bytes of the only item of a list, as the lines suggest.
    pub(super) fn only(text: &str, list: List) -> Option<Range<usize>> {
        match Self::by_lines(text, list)?.pieces.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        }
    }

    /// Changes one piece of the text with this cut; `None` if that requires the whole text.
    #[must_use]
    pub fn splice(&self, text: &str, change: &Change) -> Option<Spliced> {
        let (at, piece, value) = match change {
            Change::Append(value) => {
                let end = self.pieces.last()?.end;
                let dash = " ".repeat(self.dash);
                let piece = format!("{dash}- {}\n", block(value, self.dash + 2)?);
                let piece = piece.replace('\n', line_ends::last(&text[..end]));
                (end..end, piece, Some(value))
            }
            Change::Replace(index, value) => {
                let at = self.pieces.get(*index)?.clone();
                let old = &text[at.clone()];
                let piece = alone(self.list, &line_ends::plain(old), value)?;
                (at, line_ends::restored(old, piece), Some(value))
            }
            Change::Remove(index) if self.pieces.len() > 1 => {
                (self.pieces.get(*index)?.clone(), String::new(), None)
            }
            Change::Remove(_) => return None,
        };
        let is_right =
            value.is_none_or(|value| self.is_one_by_lines(&piece) && stands_for(self.list, &piece, value));
        if !is_right {
            return None;
        }
        let line = 1 + text[..at.start].matches('\n').count();
        let warnings =
            comments::lost(&listed(self.list, &text[at.clone()]), &listed(self.list, &piece), line - 1);
        let (head, tail) = (&text[..self.pieces.first()?.start], &text[self.pieces.last()?.end..]);
        Some(Spliced {
            text: [&text[..at.start], &piece, &text[at.end..]].concat(),
            layout: self.moved(change, &at, &piece)?,
            brackets_changed: !brackets(&text[at.clone()]).eq(brackets(&piece)),
            alone: value.map(|_| [head, &piece, tail].concat()),
            warnings,
        })
    }

    /// Whether the lines of a piece are those of one item: no line is, or could be, one of the list or the file.
    fn is_one_by_lines(&self, piece: &str) -> bool {
        let mut dashes = 0;
        let is_within = |line: &str| {
            let content = line.trim_start_matches(' ');
            let column = line.len() - content.len();
            let is_dash = column == self.dash && (content.trim_end() == "-" || content.starts_with("- "));
            dashes += usize::from(is_dash);
            is_dash || column > self.dash || content.trim_end().is_empty() || content.starts_with('#')
        };
        piece.ends_with('\n') && piece.split_inclusive('\n').all(is_within) && dashes == 1
    }

    /// The cut after `piece` has replaced what was at `at`.
    fn moved(&self, change: &Change, at: &Range<usize>, piece: &str) -> Option<Self> {
        let mut pieces = self.pieces.clone();
        let behind = pieces.partition_point(|known| known.start < at.end);
        for known in &mut pieces[behind..] {
            *known = known.start - at.len() + piece.len()..known.end - at.len() + piece.len();
        }
        // Comments that its last lines left behind are not part of it.
        let key = listed(self.list, "").len();
        let is_at = |known: &Range<usize>| at.start + known.start - key..at.start + known.end - key;
        let new = || Self::by_lines(&listed(self.list, piece), self.list)?.pieces.first().map(is_at);
        match change {
            Change::Append(_) => pieces.push(new()?),
            Change::Replace(index, _) => *pieces.get_mut(*index)? = new()?,
            Change::Remove(index) => drop(pieces.remove(*index)),
        }
        Some(Self { pieces, ..*self })
    }
}

fn brackets(piece: &str) -> impl Iterator<Item = u8> {
    piece.bytes().filter(|byte| b"[]{}".contains(byte))
}

/// A piece as a text of its own.
fn listed(list: List, piece: &str) -> String {
    format!("{}:\n{piece}", list.key())
}

/// Whether a piece on its own is exactly this item.
fn stands_for(list: List, piece: &str, value: &Value) -> bool {
    let alone = parse(&listed(list, piece));
    alone.is_ok_and(|alone| {
        alone.as_mapping().is_some_and(|file| file.len() == 1)
            && items(&alone, list) == std::slice::from_ref(value)
    })
}

/// A piece changed as the only one of a list.
fn alone(list: List, piece: &str, value: &Value) -> Option<String> {
    let edited = document::edited(&listed(list, piece), list, &Change::Replace(0, value.clone())).ok()??;
    edited.strip_prefix(&listed(list, "")).map(str::to_owned)
}
