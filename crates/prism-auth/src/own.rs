//! A server's own token, which it presents to another: the only line of a file.

use std::path::Path;

use http::HeaderValue;

use crate::error::FileError;
use crate::file::Content;
use crate::watched::Watched;

/// A token in a file, which is read again when it changes.
#[derive(Debug)]
pub struct OwnToken(Watched<HeaderValue>);

impl OwnToken {
    /// Reads the token.
    ///
    /// # Errors
    /// The file cannot be read, or is not one line of visible characters.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        Watched::open(path, Content::Secret, Box::new(parse)).map(Self)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The value of `authorization`.
    #[must_use]
    pub fn authorization(&self) -> HeaderValue {
        HeaderValue::clone(&self.0.load())
    }

    /// Reads the file again if it has changed. Blocks.
    pub fn refresh(&self) {
        self.0.refresh();
    }

    /// Whether the last attempt to read the file succeeded.
    #[must_use]
    pub fn is_applied(&self) -> bool {
        self.0.is_applied()
    }
}

fn parse(path: &Path, text: &str) -> Result<HeaderValue, FileError> {
    let token = text.trim();
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    let value = is_token.then(|| HeaderValue::try_from(format!("Bearer {token}")).ok()).flatten();
    let mut value = value.ok_or_else(|| {
        FileError::new(
            path,
            Some(1),
            "is not a token; expected one line of visible characters, the token itself",
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_the_only_line_and_is_not_shown() {
        let parse = |text: &str| parse(Path::new("own"), text);
        let value = parse("prism_secret\n").unwrap();
        assert_eq!(value, "Bearer prism_secret");
        assert!(!format!("{value:?}").contains("secret"));
        for wrong in ["", "\n", "a\nb", "a b", "ä"] {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(error.starts_with("own:1: is not a token"), "{wrong:?}: {error}");
        }
    }
}
