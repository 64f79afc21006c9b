//! The file at one moment: its bytes, what they hold, or why they cannot be used.

use std::path::Path;

use serde_yaml::Value;
use sha2::{Digest as _, Sha256};

use crate::error::{Kind, Problem};
use crate::file::check;

/// What a proxy serves while there is no file, as a file: what the admin shows and edits until it has written one.
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
    /// `None`: there is no file.
    in_file: Option<Vec<u8>>,
    sha256: String,
    namespaces: Result<Vec<Value>, String>,
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

impl Snapshot {
    /// `is_new`: there is no file, and never was.
    pub(super) fn new(path: &Path, in_file: Option<Vec<u8>>, is_new: bool) -> Self {
        let shown = in_file.as_deref().unwrap_or(BUILT_IN.as_bytes());
        let namespaces = if in_file.is_none() && !is_new {
            Err(format!("{} was deleted; proxies serve on what they have", path.display()))
        } else {
            check::namespaces(shown).map_err(|errors| {
                let told: Vec<_> =
                    errors.iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect();
                format!("{} breaks rules: {}", path.display(), told.join("; "))
            })
        };
        Self { sha256: sha256(shown), in_file, namespaces }
    }

    /// Whether these are the bytes in the file; `None`: whether there is no file.
    pub(super) fn is_of(&self, bytes: Option<&[u8]>) -> bool {
        self.in_file.as_deref() == bytes
    }

    /// The bytes in the file; `None`: there is none.
    #[must_use]
    pub fn bytes_in_file(&self) -> Option<&[u8]> {
        self.in_file.as_deref()
    }

    /// The file's bytes; without a file, what a proxy then serves, written as one.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.in_file.as_deref().unwrap_or(BUILT_IN.as_bytes())
    }

    /// The SHA-256 of [`Snapshot::bytes`], in hex: what a proxy calls the revision.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Its strong tag.
    #[must_use]
    pub fn tag(&self) -> String {
        format!("\"{}\"", self.sha256)
    }

    /// The text and the namespaces in it.
    ///
    /// # Errors
    /// The file breaks rules, or was deleted: it has to be replaced as a whole before anything in it can be edited.
    pub fn usable(&self) -> Result<(&str, &[Value]), Problem> {
        let unusable = |why: &str| {
            let advice = "put it right by hand, by PUT /config, or by POST /config/rollback/{number}";
            Problem::new(Kind::FileUnusable, format!("{why}; {advice}"))
        };
        match (&self.namespaces, std::str::from_utf8(self.bytes())) {
            (Ok(namespaces), Ok(text)) => Ok((text, namespaces)),
            (Err(why), _) => Err(unusable(why)),
            (_, Err(_)) => Err(unusable("the file is not UTF-8 text")),
        }
    }
}
