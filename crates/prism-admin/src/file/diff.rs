//! The difference between two texts in the unified format.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::Duration;

use similar::TextDiff;

/// A small part of the 30 s that a request may take; whatever has not been compared by then is shown as replaced.
const COMPARE_MAX: Duration = Duration::from_secs(2);

/// Unchanged lines shown around a change.
const CONTEXT: usize = 3;

/// The difference between two texts in the unified format; empty if there is none.
#[must_use]
pub fn unified(before: &str, after: &str) -> String {
    if before == after {
        return String::new();
    }
    // A common start and end are not compared: the cost depends on the change, not on the length of the file.
    let head = lines_back(before, common(before.as_bytes(), after.as_bytes(), Side::Head));
    let (old, new) = (&before[head..], &after[head..]);
    let tail = common(old.as_bytes(), new.as_bytes(), Side::Tail);
    let tail = lines_on(old, old.len() - tail).map_or(0, |start| old.len() - start);
    let (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);
    let head = before[..head].bytes().filter(|byte| *byte == b'\n').count();
    let diff = TextDiff::configure().timeout(COMPARE_MAX).diff_lines(old, new);
    let mut text = "--- before\n+++ after\n".to_owned();
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        let (Some(first), Some(last)) = (hunk.ops().first(), hunk.ops().last()) else { continue };
        let old = first.old_range().start..last.old_range().end;
        let new = first.new_range().start..last.new_range().end;
        let shown = hunk.to_string();
        let lines = shown.split_once('\n').map_or("", |(_, lines)| lines);
        // Writing to a string cannot fail.
        let _ = write!(text, "@@ -{} +{} @@\n{lines}", place(&old, head), place(&new, head));
    }
    text
}

/// An end of a text.
#[derive(Clone, Copy)]
enum Side {
    Head,
    Tail,
}

/// How many bytes two texts have in common at one end.
fn common(one: &[u8], other: &[u8], side: Side) -> usize {
    // Comparing blocks is as fast as reading memory.
    const BLOCK: usize = 4096;
    let len = one.len().min(other.len());
    let same = |from: usize, to: usize| match side {
        Side::Head => one[from..to] == other[from..to],
        Side::Tail => one[one.len() - to..one.len() - from] == other[other.len() - to..other.len() - from],
    };
    let blocks =
        (0..len / BLOCK).take_while(|block| same(block * BLOCK, (block + 1) * BLOCK)).count() * BLOCK;
    blocks + (blocks..len).take_while(|at| same(*at, at + 1)).count()
}

/// The start of the line that is `CONTEXT` lines before the one that contains `at`.
fn lines_back(text: &str, at: usize) -> usize {
    let ends = text.as_bytes()[..at].iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    ends.map(|(end, _)| end + 1).nth(CONTEXT).unwrap_or(0)
}

/// The start of the line `CONTEXT` lines after the first that starts at or after `at`; `None` if there is none.
fn lines_on(text: &str, at: usize) -> Option<usize> {
    let ends = text.as_bytes()[at..].iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.map(|(end, _)| at + end + 1).nth(CONTEXT)
}

/// A range of lines in the syntax of a hunk, with `head` lines before those that were compared.
fn place(lines: &Range<usize>, head: usize) -> String {
    let first = head + lines.start + 1;
    match lines.len() {
        // An empty range is named by the line before it.
        0 => format!("{},0", first - 1),
        1 => first.to_string(),
        many => format!("{first},{many}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_text_is_compared_as_the_whole_is() {
        let whole = |before: &str, after: &str| {
            let diff = TextDiff::from_lines(before, after);
            diff.unified_diff().context_radius(CONTEXT).header("before", "after").to_string()
        };
        let lines = |range: Range<usize>| range.map(|number| format!("line {number}\n")).collect::<String>();
        let (long, head, tail) = (lines(0..2000), lines(0..1000), lines(1000..2000));
        for (before, after) in [
            (long.clone(), long.clone()),
            (long.clone(), long.replace("line 50\n", "line 5\u{e9}\n")),
            ("a\u{e8}b\n".to_owned(), "a\u{e9}b\n".to_owned()),
            ("a\na\na\n".to_owned(), "a\na\na\na\na\n".to_owned()),
            (long.clone(), format!("{head}new\n{tail}")),
            (format!("{head}old\n{tail}"), long.clone()),
            (format!("{head}old\n{tail}"), format!("{head}new\nnew\n{tail}")),
            (long.clone(), format!("new\n{long}new\n")),
            (long.clone(), format!("{long}no end")),
            (long.clone(), tail.clone()),
            (String::new(), tail.clone()),
            (tail.clone(), String::new()),
            (lines(0..2), lines(1..2)),
            (format!("{head}a\n{tail}b\n{head}"), format!("{head}c\n{tail}d\n{head}")),
        ] {
            assert_eq!(unified(&before, &after), whole(&before, &after));
        }
    }
}
