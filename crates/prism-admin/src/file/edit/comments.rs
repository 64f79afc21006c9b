//! The comments that a change loses.

use std::collections::HashMap;

use yamlpath::Document;

/// The maximum number of lost comments that are listed individually.
const COMMENTS_TOLD_MAX: usize = 20;

/// A sentence for each comment of the old text that the new one lacks. `line`: the number of the old text's first line.
pub(super) fn lost(old: &str, new: &str, line: usize) -> Vec<String> {
    if Document::new(old).is_err() || Document::new(new).is_err() {
        let lines_with_comments = |text: &str| text.lines().filter(|line| line.contains('#')).count();
        let lost = lines_with_comments(old).saturating_sub(lines_with_comments(new));
        return if lost > 0 { vec![format!("{lost} lines lost their comment")] } else { Vec::new() };
    }
    let mut kept: HashMap<&str, usize> = HashMap::new();
    for (_, comment) in comments(new) {
        *kept.entry(comment).or_default() += 1;
    }
    let mut lost = Vec::new();
    for (index, comment) in comments(old) {
        match kept.get_mut(comment) {
            Some(count) if *count > 0 => *count -= 1,
            _ => lost.push(format!("the comment on line {} is not kept: {comment}", line + index)),
        }
    }
    if let Some(more) = lost.len().checked_sub(COMMENTS_TOLD_MAX).filter(|more| *more > 0) {
        lost.truncate(COMMENTS_TOLD_MAX);
        lost.push(format!("{more} more comments are not kept"));
    }
    lost
}

/// The comments of a text, each with the index of its line.
fn comments(text: &str) -> Vec<(usize, &str)> {
    let Ok(document) = Document::new(text) else { return Vec::new() };
    let mut start = 0;
    let mut found = Vec::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let mark = line.match_indices('#').find(|(at, _)| document.offset_inside_comment(start + at));
        if let Some((at, _)) = mark {
            found.push((index, line[at..].trim_end()));
        }
        start += line.len();
    }
    found
}
