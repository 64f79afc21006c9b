//! Ways to make a change through the syntax tree of the whole text, parsed by `yamlpath` and changed by `yamlpatch`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_yaml::{Mapping, Value};
use yamlpatch::{Op, Patch, apply_yaml_patches, find_content_end};
use yamlpath::{Component, Document, Route};

use super::change::Change;
use crate::file::yaml::{List, block, items, parse};

/// The text with the change made in the least invasive way that yields exactly what is intended; `None` if no way does.
///
/// # Errors
/// The text has more lines than the grammar can count, 32,767, or is not a YAML mapping.
pub(super) fn edited(text: &str, list: List, change: &Change) -> Result<Option<String>, String> {
    let wanted = change.applied(&parse(text)?, list)?;
    let document = Document::new(text).map_err(|error| error.to_string())?;
    let ways = [patch, rewrite].into_iter();
    Ok(ways.filter_map(|way| attempt(&wanted, || way(&document, list, &wanted, change))).next())
}

/// The text that a way yields, if it means what is intended. The crates below slice texts by spans; a panic there just
/// means that this way failed.
fn attempt(wanted: &Value, way: impl FnOnce() -> Option<String>) -> Option<String> {
    let text = catch_unwind(AssertUnwindSafe(way)).ok()??;
    (parse(&text).as_ref() == Ok(wanted)).then_some(text)
}

fn list_route(list: List) -> Route<'static> {
    Route::default().with_key(list.key())
}

fn item_route(list: List, index: usize) -> Route<'static> {
    list_route(list).with_keys([Component::Index(index)])
}

/// Changes single keys, or the lines of one item.
fn patch(document: &Document, list: List, wanted: &Value, change: &Change) -> Option<String> {
    match change {
        Change::Append(value) => append(document, list, value),
        Change::Remove(index) => remove(document, list, *index, items(wanted, list).is_empty()),
        Change::Replace(index, Value::Mapping(new)) => {
            let old = parse(document.source()).ok()?;
            let mut patches = Vec::new();
            let before = items(&old, list).get(*index)?.as_mapping()?;
            differences(&item_route(list, *index), before, new, &mut patches);
            if patches.is_empty() {
                return Some(document.source().to_owned());
            }
            Some(apply_yaml_patches(document, &patches).ok()?.source().to_owned())
        }
        Change::Replace(..) => None,
    }
}

fn append(document: &Document, list: List, value: &Value) -> Option<String> {
    let mut edited = document.source().to_owned();
    let count = items(&parse(document.source()).ok()?, list).len();
    let last = Item::of(document, list, count.checked_sub(1)?)?;
    let dash = " ".repeat(last.dash_column);
    edited.insert_str(last.end, &format!("{dash}- {}\n", block(value, last.dash_column + 2)?));
    Some(edited)
}

fn remove(document: &Document, list: List, index: usize, is_last: bool) -> Option<String> {
    let item = Item::of(document, list, index)?;
    let mut edited = document.source().to_owned();
    edited.replace_range(item.start..item.end, "");
    if is_last {
        let key = document.query_key_only(&list_route(list)).ok()?.location.byte_span.1;
        let colon = key + edited[key..].find(':')?;
        edited.insert_str(colon + 1, " []");
    }
    Some(edited)
}

/// The lines of an item of a list in block style, with the comments directly above it.
struct Item {
    start: usize,
    /// After the end of its last line.
    end: usize,
    dash_column: usize,
}

impl Item {
    fn of(document: &Document, list: List, index: usize) -> Option<Self> {
        let text = document.source();
        let feature = document.query_exact(&item_route(list, index)).ok()??;
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

/// Rewrites a list in flow style, or one item, in place.
fn rewrite(document: &Document, list: List, wanted: &Value, change: &Change) -> Option<String> {
    let mut edited = document.source().to_owned();
    let (start, end) = document.query_exact(&list_route(list)).ok()??.location.byte_span;
    if edited.as_bytes().get(start) == Some(&b'[') {
        edited.replace_range(start..end, &serde_json::to_string(items(wanted, list)).ok()?);
        return Some(edited);
    }
    let Change::Replace(index, value) = change else { return None };
    let (start, end) = document.query_exact(&item_route(list, *index)).ok()??.location.byte_span;
    let value = if edited.as_bytes().get(start) == Some(&b'{') {
        serde_json::to_string(value).ok()?
    } else {
        block(value, start - line_start(&edited, start))?
    };
    let end = start + edited[start..end].trim_end().len();
    edited.replace_range(start..end, &value);
    Some(edited)
}
