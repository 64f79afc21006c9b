//! The broken rules of a file, as they are found.

use std::fmt;

use super::settings::Mistake;

#[derive(Default)]
pub(super) struct Mistakes(pub(super) Vec<Mistake>);

impl Mistakes {
    pub(super) fn add(&mut self, field: impl fmt::Display, why: impl fmt::Display) {
        self.0.push(Mistake { field: field.to_string(), why: why.to_string(), line: None });
    }

    /// The value; or its default, after recording a mistake.
    pub(super) fn checked<T, E: fmt::Display>(
        &mut self,
        field: impl fmt::Display,
        value: Result<T, E>,
    ) -> Option<T> {
        value.map_err(|why| self.add(field, why)).ok()
    }

    /// A path that must not be empty, if it is given.
    pub(super) fn path(
        &mut self,
        field: impl fmt::Display,
        path: Option<String>,
    ) -> Option<std::path::PathBuf> {
        let path = path?;
        if path.is_empty() {
            self.add(field, "the path is empty; expected that of a file, or no key");
            return None;
        }
        Some(path.into())
    }
}
