//! Who may call a namespace, and who operates the proxy.

use std::collections::HashMap;
use std::fmt;

use prism_auth::name::Sources;
use prism_auth::{Access, Identity, Right, Rights};
use serde::Deserialize;

use super::mistakes::Mistakes;

/// An entry of `access` in its written form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessSection {
    name: String,
    rights: Vec<Right>,
}

/// Checks the key `access` of a namespace. With mistakes, the result is incomplete.
pub(super) fn check(
    field: &str,
    sections: Vec<AccessSection>,
    sources: Sources,
    mistakes: &mut Mistakes,
) -> Vec<Access> {
    if sections.is_empty() {
        let why = "it is empty, so nobody could call; expected {name, rights} of at least one caller, or no key to \
                   let everybody call who may connect";
        mistakes.add(field, why);
    }
    let mut seen = Callers::new(field.to_owned());
    let mut entries = Vec::with_capacity(sections.len());
    for (index, AccessSection { name, rights }) in sections.into_iter().enumerate() {
        let caller = seen.add(index, ".name", &name, sources, mistakes);
        let rights: Rights = rights.into_iter().collect();
        if rights.is_empty() {
            mistakes.add(
                format_args!("{field}[{index}].rights"),
                "there are none; expected [read], [write] or [read, write]",
            );
        }
        entries.extend(caller.map(|caller| Access { caller, rights }));
    }
    entries
}

/// Checks `server.operators`. With mistakes, the result is incomplete.
pub(super) fn operators(names: &[String], sources: Sources, mistakes: &mut Mistakes) -> Vec<Identity> {
    const FIELD: &str = "server.operators";
    if names.is_empty() {
        let why = "it is empty, so nobody could read the HTTP port; expected at least one name, or no key to leave the \
                   port open";
        mistakes.add(FIELD, why);
    }
    let mut seen = Callers::new(FIELD.to_owned());
    let names = names.iter().enumerate();
    names.filter_map(|(index, name)| seen.add(index, "", name, sources, mistakes)).collect()
}

/// The callers of one list, which must be unique, with their places.
struct Callers {
    list: String,
    seen: HashMap<Identity, usize>,
}

impl Callers {
    fn new(list: String) -> Self {
        Self { list, seen: HashMap::new() }
    }

    fn add(
        &mut self,
        index: usize,
        key: impl fmt::Display,
        name: &str,
        sources: Sources,
        mistakes: &mut Mistakes,
    ) -> Option<Identity> {
        let field = format!("{}[{index}]{key}", self.list);
        let caller = mistakes.checked(&field, sources.identity(name))?;
        if let Some(first) = self.seen.insert(caller.clone(), index) {
            let why = format!("\"{caller}\" is in {}[{first}] already; expected a unique name", self.list);
            mistakes.add(field, why);
        }
        Some(caller)
    }
}
