//! Who makes a call, once something has proved it.

use std::fmt;
use std::sync::Arc;

/// The longest name.
pub const NAME_BYTES_MAX: usize = 256;

/// What proved an identity. The same name from two sources is two identities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A token in the token file.
    Token,
    /// A client certificate.
    Certificate,
    /// A JSON web token.
    Jwt,
}

impl Source {
    /// All sources.
    pub const ALL: [Self; 3] = [Self::Token, Self::Certificate, Self::Jwt];

    /// What precedes the name in configuration, logs and metrics: `token`, `cert` or `jwt`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Certificate => "cert",
            Self::Jwt => "jwt",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who makes a call. Cheap to clone; shown as `SOURCE:NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// What proved it.
    pub source: Source,
    name: Arc<str>,
}

impl Identity {
    /// An identity; `None` if the name is not 1 to [`NAME_BYTES_MAX`] visible ASCII characters.
    #[must_use]
    pub fn new(source: Source, name: &str) -> Option<Self> {
        is_name(name).then(|| Self { source, name: name.into() })
    }

    /// The same of a name that is shared already.
    #[must_use]
    pub fn shared(source: Source, name: &Arc<str>) -> Option<Self> {
        is_name(name).then(|| Self { source, name: Arc::clone(name) })
    }

    /// The name, without its source.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.name)
    }
}

/// Whether a text is a name: 1 to [`NAME_BYTES_MAX`] visible ASCII characters, so that it fits on one line of a log and
/// into a header.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_visible_ascii_of_limited_length() {
        assert!(is_name("orders") && is_name("spiffe://corp/report") && is_name(&"a".repeat(NAME_BYTES_MAX)));
        for wrong in ["", "a b", "a\nb", "a\0", "ä", "a\u{7f}", &"a".repeat(NAME_BYTES_MAX + 1)] {
            assert_eq!(Identity::new(Source::Token, wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_source_is_part_of_an_identity() {
        let of = |source| Identity::new(source, "orders").unwrap();
        assert_ne!(of(Source::Jwt), of(Source::Token));
        assert_eq!(of(Source::Certificate).to_string(), "cert:orders");
    }
}
