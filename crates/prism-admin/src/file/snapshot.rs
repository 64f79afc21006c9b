//! The file at one moment: its bytes, and their content or why they cannot be used.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use prism_plugin::driver::Drivers;
use prism_proxy::config::{Config, FILE_BYTES_MAX, Place, Plugin};
use prism_proxy::endpoint::Endpoint;
use prism_proxy::route::Named;
use serde_yaml::Value;
use sha2::{Digest as _, Sha256};

use super::check::{self, Checked};
use super::edit::{self, Change, Layout, Spliced};
use super::entry::{BackendEntry, Entry};
use super::reach::{self, Reach};
use super::yaml::{List, items};
use crate::error::{FieldError, Kind, Problem};

/// What a proxy serves without a file, written as a file: what the admin shows and edits until it has written one.
const BUILT_IN: &str = "\
namespaces:
  - name: default
    pattern: keyvalue
    plugin:
      endpoint: localhost:50051
";

/// The file at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// `None` if the file does not exist.
    in_file: Option<Vec<u8>>,
    sha256: String,
    content: Result<Content, String>,
}

/// The content of a valid file.
#[derive(Debug)]
struct Content {
    /// The file, with null instead of the list of namespaces.
    rest: Arc<Value>,
    /// The backends.
    backends: Arc<[BackendEntry]>,
    /// The namespaces.
    entries: Vec<Arc<Entry>>,
    /// Their positions in the text, once requested; `None`: the text cannot be cut.
    layout: OnceLock<Option<Layout>>,
}

impl Content {
    fn new(checked: Checked) -> Self {
        let Checked { rest, namespaces, config } = checked;
        let entries = namespaces.into_iter().map(|value| Arc::new(Entry::new(value))).collect();
        let backends = items(&rest, List::Backends).iter().cloned().zip(config.backends);
        let backends = backends.map(|(value, settings)| BackendEntry { value, settings }).collect();
        Self { rest: Arc::new(rest), backends, entries, layout: OnceLock::new() }
    }

    fn layout(&self, text: &str) -> Option<&Layout> {
        let cut =
            || Layout::of(text, List::Namespaces, &self.rest, self.entries.iter().map(|entry| &entry.value));
        self.layout.get_or_init(cut).as_ref()
    }
}

/// The SHA-256 of bytes, in hex.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

impl Snapshot {
    /// The file as read. `is_new`: the file does not exist, and never did.
    pub(super) fn read(path: &Path, in_file: Option<Vec<u8>>, is_new: bool) -> Self {
        let shown = in_file.as_deref().unwrap_or(BUILT_IN.as_bytes());
        let content = if in_file.is_none() && !is_new {
            Err(format!("{} was deleted; proxies keep serving what they have", path.display()))
        } else {
            check::file(shown).map(Content::new).map_err(|errors| {
                let told: Vec<_> =
                    errors.iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect();
                format!("{} breaks rules: {}", path.display(), told.join("; "))
            })
        };
        Self { sha256: sha256(shown), in_file, content }
    }

    /// A prospective file, which must break no rule.
    ///
    /// # Errors
    /// Every mistake, with pointers into the file.
    pub fn of(bytes: Vec<u8>) -> Result<Self, Vec<FieldError>> {
        let content = Content::new(check::file(&bytes)?);
        Ok(Self { sha256: sha256(&bytes), in_file: Some(bytes), content: Ok(content) })
    }

    /// Whether these are the bytes in the file; for `None`, whether the file does not exist.
    pub(super) fn is_of(&self, bytes: Option<&[u8]>) -> bool {
        self.in_file.as_deref() == bytes
    }

    /// The bytes in the file; `None` if it does not exist.
    #[must_use]
    pub fn bytes_in_file(&self) -> Option<&[u8]> {
        self.in_file.as_deref()
    }

    /// The file's bytes; without a file, what a proxy then serves, written as a file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.in_file.as_deref().unwrap_or(BUILT_IN.as_bytes())
    }

    /// The bytes as text, with invalid UTF-8 replaced.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        // The lossy conversion takes several times as long, and only a file edited by hand needs it.
        str::from_utf8(self.bytes()).map_or_else(|_| String::from_utf8_lossy(self.bytes()), Cow::Borrowed)
    }

    /// The SHA-256 of [`Snapshot::bytes`], in hex: the revision, as a proxy reports it.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Its strong tag.
    #[must_use]
    pub fn tag(&self) -> String {
        format!("\"{}\"", self.sha256)
    }

    /// The namespaces.
    ///
    /// # Errors
    /// The file breaks rules, or was deleted: it has to be replaced as a whole before anything in it can be edited.
    pub fn entries(&self) -> Result<&[Arc<Entry>], Problem> {
        self.usable().map(|(_, content)| content.entries.as_slice())
    }

    /// The backends; none if the file cannot be used.
    #[must_use]
    pub fn backends(&self) -> &[BackendEntry] {
        self.content.as_ref().map_or(&[], |content| &content.backends)
    }

    /// The section `server`; `None` if there is none, or the file cannot be used.
    #[must_use]
    pub fn server(&self) -> Option<&Value> {
        self.content.as_ref().ok()?.rest.get("server")
    }

    /// The item of a list with this name, and its index.
    ///
    /// # Errors
    /// The same as of [`Snapshot::entries`].
    pub fn find(&self, list: List, name: &str) -> Result<Option<(usize, &Value)>, Problem> {
        let entries = self.entries()?;
        Ok(match list {
            List::Namespaces => {
                let at = entries.iter().position(|entry| entry.name == name);
                at.map(|at| (at, &entries[at].value))
            }
            List::Backends => {
                let at = self.backends().iter().position(|backend| backend.settings.name == name);
                at.map(|at| (at, &self.backends()[at].value))
            }
        })
    }

    /// What the drivers find wrong in the file, by its pointers; nothing if it cannot be used.
    #[must_use]
    pub fn mistakes(&self, drivers: &Drivers) -> Vec<FieldError> {
        let entries = self.content.as_ref().map_or(&[][..], |content| &content.entries);
        let backends = self.backends().iter().map(|backend| &backend.settings);
        let plugins = entries.iter().map(|entry| entry.plugin.as_ref());
        let mut mistakes = check::options(self.drivers(), drivers);
        mistakes.extend(check::shared(backends, plugins, drivers));
        mistakes
    }

    /// Every driver that the file names, with each of its backends and the first of its endpoints; none if it cannot be
    /// used.
    pub fn drivers(&self) -> impl Iterator<Item = Named<'_>> {
        let backends = self.backends().iter().enumerate().filter_map(|(index, backend)| {
            let Place::Embedded { driver, options } = &backend.settings.place else { return None };
            Some(Named { driver, options: Some(options), field: format!("backends[{index}]") })
        });
        let mut seen = HashSet::new();
        let endpoints = self.endpoints_of_namespaces().filter_map(move |(index, endpoint)| {
            let Endpoint::Embedded(driver) = endpoint else { return None };
            seen.insert(driver).then(|| Named {
                driver,
                options: None,
                field: format!("namespaces[{index}].plugin.endpoint"),
            })
        });
        backends.chain(endpoints)
    }

    /// What namespaces and backends reach, by pointers into the file.
    #[must_use]
    pub fn reached(&self, drivers: &Drivers) -> Vec<(String, Reach)> {
        let namespaces = self.endpoints_of_namespaces().map(|(index, endpoint)| {
            (format!("/namespaces/{index}/plugin/endpoint"), Reach::Endpoint(endpoint.clone()))
        });
        self.reached_by_backends(drivers).into_iter().chain(namespaces).collect()
    }

    /// What the backends reach, by pointers into the file.
    #[must_use]
    pub fn reached_by_backends(&self, drivers: &Drivers) -> Vec<(String, Reach)> {
        let of = |(index, backend): (usize, &BackendEntry)| {
            let within = reach::of(&backend.settings, drivers);
            within.into_iter().map(move |(pointer, reach)| (format!("/backends/{index}{pointer}"), reach))
        };
        self.backends().iter().enumerate().flat_map(of).collect()
    }

    /// The endpoints of the namespaces that have one of their own, by their index.
    pub fn endpoints_of_namespaces(&self) -> impl Iterator<Item = (usize, &Endpoint)> {
        let entries = self.content.as_ref().map_or(&[][..], |content| &content.entries);
        entries.iter().enumerate().filter_map(|(index, entry)| match &entry.plugin {
            Some(Plugin::Endpoint(endpoint)) => Some((index, endpoint)),
            _ => None,
        })
    }

    fn usable(&self) -> Result<(&str, &Content), Problem> {
        let unusable = |why: &str| {
            let advice = "fix it by hand, with PUT /config, or with POST /config/rollback/{number}";
            Problem::new(Kind::FileUnusable, format!("{why}; {advice}"))
        };
        match (&self.content, std::str::from_utf8(self.bytes())) {
            (Ok(content), Ok(text)) => Ok((text, content)),
            (Err(why), _) => Err(unusable(why)),
            (_, Err(_)) => Err(unusable("the file is not UTF-8 text")),
        }
    }

    /// The file after a change of a list, and warnings about what could not be kept.
    ///
    /// # Errors
    /// The current file cannot be edited, or the result would break rules.
    pub fn edited(&self, list: List, change: Change) -> Result<(Self, Vec<String>), Problem> {
        let (text, content) = self.usable()?;
        if list == List::Namespaces {
            let spliced = content.layout(text).and_then(|layout| layout.splice(text, &change));
            if let Some(edited) = spliced.and_then(|spliced| content.spliced(change.clone(), spliced)) {
                return Ok(edited);
            }
        }
        let edited = edit::edit(text, list, &change).map_err(|why| Problem::new(Kind::FileUnusable, why))?;
        let new = Self::of(edited.text.into_bytes()).map_err(Problem::invalid)?;
        Ok((new, edited.warnings))
    }
}

impl Content {
    /// The file's content after one namespace was changed; `None`: it may break rules, and has to be checked as a whole.
    ///
    /// Only three of the proxy's rules concern more than one namespace: names are unique, brackets are not nested too
    /// deeply, counted across the text, and the file is not too long. All others are checked on the text that a proxy
    /// would read if the changed namespace were the only one, with all backends.
    fn spliced(&self, change: Change, spliced: Spliced) -> Option<(Snapshot, Vec<String>)> {
        let Spliced { text, layout, alone, brackets_changed, warnings } = spliced;
        if let Some(alone) = alone {
            Config::parse("the file", alone.as_bytes()).ok()?;
        }
        let bytes = text.into_bytes();
        if brackets_changed || bytes.len() > FILE_BYTES_MAX {
            check::text(&bytes).ok()?;
        }
        let mut entries = self.entries.clone();
        let is_name_new = |new: &Entry| entries.iter().all(|known| known.name != new.name);
        match change {
            Change::Append(value) => {
                let new = Entry::new(value);
                is_name_new(&new).then_some(())?;
                entries.push(Arc::new(new));
            }
            Change::Replace(index, value) => {
                let new = Entry::new(value);
                (entries.get(index)?.name == new.name || is_name_new(&new)).then_some(())?;
                entries[index] = Arc::new(new);
            }
            Change::Remove(index) => drop(entries.remove(index)),
        }
        let (rest, backends) = (Arc::clone(&self.rest), Arc::clone(&self.backends));
        let content = Content { rest, backends, entries, layout: OnceLock::from(Some(layout)) };
        Some((Snapshot { sha256: sha256(&bytes), in_file: Some(bytes), content: Ok(content) }, warnings))
    }
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
