//! Line ends: a file may have those of Windows, or a few of them among others, and a change preserves each.

use similar::{Algorithm, DiffOp, capture_diff_slices};

const CRLF: &str = "\r\n";

/// The text with only `\n`, for editing.
pub(super) fn plain(text: &str) -> String {
    text.replace(CRLF, "\n")
}

/// Gives the lines of an edited text their original ends; a new line gets that of the line before it.
pub(super) fn restored(old: &str, edited: String) -> String {
    if !old.contains(CRLF) {
        return edited;
    }
    let old: Vec<_> = old.split_inclusive('\n').collect();
    let old_plain: Vec<_> = old.iter().map(|line| line.trim_end_matches(['\r', '\n'])).collect();
    let new: Vec<_> = edited.split_inclusive('\n').map(|line| line.trim_end_matches('\n')).collect();
    let end_of = |index: usize| old.get(index).map(|line| if line.ends_with(CRLF) { CRLF } else { "\n" });
    let mut text = String::with_capacity(edited.len());
    let mut end = end_of(0).unwrap_or("\n");
    let mut push = |line: &str, known: Option<&'static str>| {
        end = known.unwrap_or(end);
        text.push_str(line);
        text.push_str(end);
    };
    for op in capture_diff_slices(Algorithm::Myers, &old_plain, &new) {
        match op {
            DiffOp::Equal { old_index, new_index, len } => {
                (0..len).for_each(|at| push(new[new_index + at], end_of(old_index + at)));
            }
            DiffOp::Replace { old_index, old_len, new_index, new_len } => {
                for at in 0..new_len {
                    push(new[new_index + at], (at < old_len).then(|| end_of(old_index + at)).flatten());
                }
            }
            DiffOp::Insert { new_index, new_len, .. } => {
                new[new_index..][..new_len].iter().for_each(|line| push(line, None));
            }
            DiffOp::Delete { .. } => {}
        }
    }
    if !edited.ends_with('\n') {
        text.truncate(text.len() - end.len());
    }
    text
}

/// The end of a text's last line.
pub(super) fn last(text: &str) -> &'static str {
    if text.ends_with(CRLF) { CRLF } else { "\n" }
}
