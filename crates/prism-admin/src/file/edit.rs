//! Changing one namespace in the text of a configuration, so that comments and order stay.
//!
//! The least invasive way that gives exactly the wanted configuration is taken; each result is parsed and compared:
//!
//! 1. single keys patched by `yamlpatch`, or a namespace's lines added or removed: everything else stays;
//! 2. the namespace, or the list that is in flow style, written anew at its place: comments within it go;
//! 3. the whole file written anew: all comments go, aliases are written out.
//!
//! In a file of more than 32,767 lines, which is more than `yamlpatch` takes, the namespace is edited by itself, if the list
//! is in block style.
//!
//! What was lost is told as warnings.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_yaml::{Mapping, Value};
use yamlpatch::{Op, Patch, apply_yaml_patches, find_content_end};
use yamlpath::{Component, Document, Route};

const NAMESPACES: &str = "namespaces";

/// The most lost comments that are told one by one.
const COMMENTS_TOLD_MAX: usize = 20;

/// A change of the list of namespaces.
#[derive(Clone, Debug)]
pub enum Change {
    /// One more, at the end.
    Append(Value),
    /// The one at this index becomes this.
    Replace(usize, Value),
    /// The one at this index goes.
    Remove(usize),
}

/// A changed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The whole file.
    pub text: String,
    /// What could not be kept, a sentence each.
    pub warnings: Vec<String>,
}

/// Changes a text that is a valid configuration.
///
/// # Errors
/// The text is no YAML mapping, or the index is not there.
pub fn edit(text: &str, change: &Change) -> Result<Edited, String> {
    // An end without a line end would be one more case for each way.
    let text = &if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
    let old = parse(text)?;
    let wanted = applied(&old, change)?;
    let edited = match Document::new(text) {
        Ok(document) => {
            let ways = [patch, rewrite].into_iter();
            ways.filter_map(|way| attempt(&wanted, || way(&document, &wanted, change))).next()
        }
        // The grammar counts lines in 16 bits: it takes no file of more than 32,767.
        Err(_) => attempt(&wanted, || excerpt(text, change)),
    };
    let mut warnings = Vec::new();
    let mut edited = match edited {
        Some(edited) => edited,
        None => {
            warnings.push("the whole file was written anew: its layout and aliases are not kept".to_owned());
            serde_yaml::to_string(&wanted).map_err(|error| error.to_string())?
        }
    };
    if text.contains("\r\n") {
        edited = edited.replace("\r\n", "\n").replace('\n', "\r\n");
    }
    warnings.extend(lost_comments(text, &edited));
    Ok(Edited { text: edited, warnings })
}

fn parse(text: &str) -> Result<Value, String> {
    match serde_yaml::from_str(text).map_err(|error| error.to_string())? {
        Value::Null => Ok(Value::Mapping(Mapping::new())),
        value @ Value::Mapping(_) => Ok(value),
        _ => Err("the file is no mapping".to_owned()),
    }
}

fn namespaces(file: &Value) -> &[Value] {
    file.get(NAMESPACES).and_then(Value::as_sequence).map_or(&[], Vec::as_slice)
}

fn applied(old: &Value, change: &Change) -> Result<Value, String> {
    let mut list = namespaces(old).to_vec();
    match change {
        Change::Append(value) => list.push(value.clone()),
        Change::Replace(index, value) => {
            list.get_mut(*index).ok_or("there is no namespace at this index")?.clone_from(value);
        }
        Change::Remove(index) if *index < list.len() => drop(list.remove(*index)),
        Change::Remove(_) => return Err("there is no namespace at this index".to_owned()),
    }
    let mut wanted = old.clone();
    if let Value::Mapping(file) = &mut wanted {
        file.insert(NAMESPACES.into(), Value::Sequence(list));
    }
    Ok(wanted)
}

/// The text that a way makes, if it stands for what is wanted. The crates below slice texts by spans; a panic there is
/// one more way of not being able to.
fn attempt(wanted: &Value, way: impl FnOnce() -> Option<String>) -> Option<String> {
    let text = catch_unwind(AssertUnwindSafe(way)).ok()??;
    (parse(&text).as_ref() == Ok(wanted)).then_some(text)
}

fn list_route() -> Route<'static> {
    Route::default().with_key(NAMESPACES)
}

fn item_route(index: usize) -> Route<'static> {
    list_route().with_keys([Component::Index(index)])
}

/// Changes single keys, or the lines of one namespace.
fn patch(document: &Document, wanted: &Value, change: &Change) -> Option<String> {
    match change {
        Change::Append(value) => append(document, value),
        Change::Remove(index) => remove(document, *index, namespaces(wanted).is_empty()),
        Change::Replace(index, Value::Mapping(new)) => {
            let old = parse(document.source()).ok()?;
            let mut patches = Vec::new();
            differences(&item_route(*index), namespaces(&old).get(*index)?.as_mapping()?, new, &mut patches);
            if patches.is_empty() {
                return Some(document.source().to_owned());
            }
            Some(apply_yaml_patches(document, &patches).ok()?.source().to_owned())
        }
        Change::Replace(..) => None,
    }
}

fn append(document: &Document, value: &Value) -> Option<String> {
    let text = document.source();
    let Ok(list) = document.query_exact(&list_route()) else {
        return Some(format!("{text}{NAMESPACES}:\n  - {}\n", block(value, 4)?));
    };
    let (start, end) = list?.location.byte_span;
    let mut edited = text.to_owned();
    if &text[start..end] == "[]" {
        let start = text[..start].trim_end_matches(' ').len();
        edited.replace_range(start..end, &format!("\n  - {}", block(value, 4)?));
    } else {
        let count = namespaces(&parse(text).ok()?).len();
        let last = Item::of(document, count.checked_sub(1)?)?;
        let dash = " ".repeat(last.dash_column);
        edited.insert_str(last.end, &format!("{dash}- {}\n", block(value, last.dash_column + 2)?));
    }
    Some(edited)
}

fn remove(document: &Document, index: usize, is_last: bool) -> Option<String> {
    let item = Item::of(document, index)?;
    let mut edited = document.source().to_owned();
    edited.replace_range(item.start..item.end, "");
    if is_last {
        let key = document.query_key_only(&list_route()).ok()?.location.byte_span.1;
        let colon = key + edited[key..].find(':')?;
        edited.insert_str(colon + 1, " []");
    }
    Some(edited)
}

/// The lines of an item of a list in block style, with the comments right above it.
struct Item {
    start: usize,
    /// Behind the end of its last line.
    end: usize,
    dash_column: usize,
}

impl Item {
    fn of(document: &Document, index: usize) -> Option<Self> {
        let text = document.source();
        let feature = document.query_exact(&item_route(index)).ok()??;
        let content = feature.location.byte_span.0;
        let line = line_start(text, content);
        let dash_column = text[line..content].rfind('-')?;
        if !text[line..line + dash_column].trim().is_empty() {
            return None;
        }
        let mut start = line;
        while start > 0 {
            let above = line_start(text, start - 1);
            let comment = text[above..start].trim_start_matches(' ');
            if !comment.starts_with('#') || text[above..start].len() - comment.len() != dash_column {
                break;
            }
            start = above;
        }
        let last = find_content_end(&feature, document).max(content + 1);
        let end = text[last - 1..].find('\n').map(|newline| last + newline)?;
        Some(Self { start, end, dash_column })
    }
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

fn differences(route: &Route<'static>, old: &Mapping, new: &Mapping, patches: &mut Vec<Patch<'static>>) {
    for (key, before) in old {
        let Some(name) = key.as_str() else { continue };
        let route = route.with_key(name.to_owned());
        match (before, new.get(key)) {
            (_, None) => patches.push(Patch { route, operation: Op::Remove }),
            (before, Some(after)) if before == after => {}
            (Value::Mapping(before), Some(Value::Mapping(after)))
                if !before.is_empty() && !after.is_empty() =>
            {
                differences(&route, before, after, patches);
            }
            (_, Some(after)) => patches.push(Patch { route, operation: Op::Replace(after.clone()) }),
        }
    }
    for (key, value) in new {
        if let (Some(name), None) = (key.as_str(), old.get(key)) {
            let operation = Op::Add { key: name.to_owned(), value: value.clone() };
            patches.push(Patch { route: route.clone(), operation });
        }
    }
}

/// Writes a list in flow style, or one namespace, anew at its place.
fn rewrite(document: &Document, wanted: &Value, change: &Change) -> Option<String> {
    let mut edited = document.source().to_owned();
    let (start, end) = document.query_exact(&list_route()).ok()??.location.byte_span;
    if edited.as_bytes().get(start) == Some(&b'[') {
        edited.replace_range(start..end, &serde_json::to_string(namespaces(wanted)).ok()?);
        return Some(edited);
    }
    let Change::Replace(index, value) = change else { return None };
    let (start, end) = document.query_exact(&item_route(*index)).ok()??.location.byte_span;
    let value = if edited.as_bytes().get(start) == Some(&b'{') {
        serde_json::to_string(value).ok()?
    } else {
        block(value, start - line_start(&edited, start))?
    };
    let end = start + edited[start..end].trim_end().len();
    edited.replace_range(start..end, &value);
    Some(edited)
}

/// Changes one namespace of a long list as if it were the only one.
fn excerpt(text: &str, change: &Change) -> Option<String> {
    let key = format!("{NAMESPACES}:");
    let lines = text.split_inclusive('\n').scan(0, |end, line| {
        *end += line.len();
        Some((*end - line.len(), line))
    });
    let mut lines =
        lines.skip_while(|(_, line)| line.split('#').next().map(str::trim_end) != Some(&key)).skip(1);
    let (mut items, mut dash, mut list_end) = (Vec::new(), None, text.len());
    let behind = lines.find(|(start, line)| {
        let content = line.trim_start_matches(' ');
        let column = line.len() - content.len();
        if content.starts_with("- ") && *dash.get_or_insert(column) == column {
            items.push(*start);
        }
        // The next key of the file.
        column == 0 && !content.starts_with(['-', '#', '\n'])
    });
    if let Some((start, _)) = behind {
        list_end = start;
    }
    let mut edited = text.to_owned();
    match change {
        Change::Append(value) => {
            let dash = dash?;
            let item = format!("{}- {}\n", " ".repeat(dash), block(value, dash + 2)?);
            edited.insert_str(list_end, &item);
        }
        Change::Replace(index, value) => {
            let span = *items.get(*index)?..items.get(index + 1).copied().unwrap_or(list_end);
            let alone = format!("{key}\n{}", &text[span.clone()]);
            let alone = edit(&alone, &Change::Replace(0, value.clone())).ok()?;
            edited.replace_range(span, alone.text.strip_prefix(&key)?.strip_prefix('\n')?);
        }
        Change::Remove(index) => {
            let span = *items.get(*index)?..items.get(index + 1).copied().unwrap_or(list_end);
            edited.replace_range(span, "");
        }
    }
    Some(edited)
}

/// A value in block style, its lines after the first one indented.
fn block(value: &Value, indent: usize) -> Option<String> {
    let text = serde_yaml::to_string(value).ok()?;
    Some(text.trim_end().replace('\n', &format!("\n{}", " ".repeat(indent))))
}

fn lost_comments(old: &str, new: &str) -> Vec<String> {
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
    for (line, comment) in comments(old) {
        match kept.get_mut(comment) {
            Some(count) if *count > 0 => *count -= 1,
            _ => lost.push(format!("the comment on line {line} is not kept: {comment}")),
        }
    }
    if let Some(more) = lost.len().checked_sub(COMMENTS_TOLD_MAX).filter(|more| *more > 0) {
        lost.truncate(COMMENTS_TOLD_MAX);
        lost.push(format!("{more} more comments are not kept"));
    }
    lost
}

/// The comments of a text, each with its line.
fn comments(text: &str) -> Vec<(usize, &str)> {
    let Ok(document) = Document::new(text) else { return Vec::new() };
    let mut start = 0;
    let mut found = Vec::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let mark = line.match_indices('#').find(|(at, _)| document.offset_inside_comment(start + at));
        if let Some((at, _)) = mark {
            found.push((index + 1, line[at..].trim_end()));
        }
        start += line.len();
    }
    found
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
