//! Changing one namespace in the text of a configuration, so that comments and order stay.
//!
//! The least invasive way that gives exactly the wanted configuration is taken; each result is parsed and compared:
//!
//! 1. one namespace is changed by itself and takes its place again ([`Layout`]): the rest is not looked at;
//! 2. in the whole text, single keys are patched by `yamlpatch`, or a namespace's lines added or removed: everything else
//!    stays. The grammar takes 32,767 lines;
//! 3. the namespace, or the list that is in flow style, written anew at its place: comments within it go;
//! 4. the whole file written anew: all comments go, aliases are written out.
//!
//! What was lost is told as warnings.

mod change;
mod comments;
mod document;
mod layout;
mod line_ends;

pub use change::Change;
pub use layout::{Layout, Spliced};

use super::yaml::{parse, take_namespaces};

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
    let mut old = parse(text)?;
    let wanted = change.applied(&old)?;
    let list = take_namespaces(&mut old);
    let spliced = Layout::of(text, &old, list.iter()).and_then(|layout| layout.splice(text, change));
    if let Some(Spliced { text, warnings, .. }) = spliced {
        return Ok(Edited { text, warnings });
    }
    let plain = line_ends::plain(text);
    let mut warnings = Vec::new();
    // Only a text with lone carriage returns could come out as something else.
    let restored =
        |edited| Some(line_ends::restored(text, edited)).filter(|it| parse(it).as_ref() == Ok(&wanted));
    let edited = match document::edited(&plain, change).ok().flatten().and_then(restored) {
        Some(edited) => edited,
        None => {
            warnings.push("the whole file was written anew: its layout and aliases are not kept".to_owned());
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
