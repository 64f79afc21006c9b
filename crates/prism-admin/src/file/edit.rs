//! Changes one namespace or backend in the text of a configuration, preserving comments and order.
//!
//! The least invasive way that yields exactly the intended configuration is used; each result is parsed and compared:
//!
//! 1. one item of the list is changed on its own and put back ([`Layout`]): the rest is not looked at;
//! 2. the first item of a list is added with the key, or the last one is removed and `[]` left;
//! 3. in the whole text, `yamlpatch` changes single keys, or an item's lines are added or removed: everything else
//!    stays. The grammar is limited to 32,767 lines;
//! 4. the item, or the list if it is in flow style, is rewritten in place: comments within it are lost;
//! 5. the whole file is rewritten: all comments are lost, aliases are expanded.
//!
//! Losses are reported as warnings.

mod change;
mod comments;
mod document;
mod layout;
mod line_ends;
mod lines;

pub use change::Change;
pub use layout::{Layout, Spliced};

use super::yaml::{List, parse, take};

/// A changed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The whole file.
    pub text: String,
    /// What could not be kept, one sentence each.
    pub warnings: Vec<String>,
}

/// Changes a list in a text that is a valid configuration.
///
/// # Errors
/// The text is not a YAML mapping, or the index does not exist.
pub fn edit(text: &str, list: List, change: &Change) -> Result<Edited, String> {
    // A text without a final line end would be a special case for each way.
    let text = &if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
    let mut old = parse(text)?;
    let wanted = change.applied(&old, list)?;
    let items = take(&mut old, list);
    let spliced = Layout::of(text, list, &old, items.iter()).and_then(|layout| layout.splice(text, change));
    if let Some(Spliced { text, warnings, .. }) = spliced {
        return Ok(Edited { text, warnings });
    }
    let plain = line_ends::plain(text);
    let mut warnings = Vec::new();
    // Only a text with lone carriage returns could change its meaning.
    let restored =
        |edited| Some(line_ends::restored(text, edited)).filter(|it| parse(it).as_ref() == Ok(&wanted));
    let by_lines = lines::edited(&plain, list, change).and_then(restored);
    let patched = || document::edited(&plain, list, change).ok().flatten().and_then(restored);
    let edited = match by_lines.or_else(patched) {
        Some(edited) => edited,
        None => {
            warnings.push("the whole file was rewritten: its layout and aliases are not kept".to_owned());
            let anew = serde_yaml::to_string(&wanted).map_err(|error| error.to_string())?;
            line_ends::restored(text, anew)
        }
    };
    warnings.extend(comments::lost(&plain, &line_ends::plain(&edited), 1));
    Ok(Edited { text: edited, warnings })
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
