//! The names of callers, as a configuration writes them: `SOURCE:NAME`, or `NAME` while one source is enabled.

use prism_grpc::identity::{Identity, NAME_BYTES_MAX, Source};

/// The sources that a configuration enables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Tokens: `server.token_file`.
    pub token: bool,
    /// Client certificates: `server.tls.client_ca_file`.
    pub certificate: bool,
    /// JSON web tokens: `server.jwt`.
    pub jwt: bool,
}

/// The keys that enable a source, for messages.
pub const SOURCE_KEYS: &str = "server.token_file, server.jwt or server.tls.client_ca_file";

impl Sources {
    /// Whether a source is enabled.
    #[must_use]
    pub fn has(self, source: Source) -> bool {
        match source {
            Source::Token => self.token,
            Source::Certificate => self.certificate,
            Source::Jwt => self.jwt,
        }
    }

    /// The enabled sources.
    pub fn enabled(self) -> impl Iterator<Item = Source> {
        Source::ALL.into_iter().filter(move |source| self.has(*source))
    }

    /// Reads a name.
    ///
    /// # Errors
    /// What is wrong, and what was expected: it is no name, its source is unknown or not enabled, or it has none while
    /// another number of sources than one is enabled.
    pub fn identity(self, text: &str) -> Result<Identity, String> {
        let (prefix, rest) = text.split_once(':').unwrap_or(("", ""));
        let named = Source::ALL.into_iter().find(|source| source.as_str() == prefix);
        let (source, name) = match named {
            Some(source) => (source, rest),
            // A bare name may be a URI, such as spiffe://corp/report.
            None if prefix.is_empty() || rest.starts_with("//") => (self.only(text)?, text),
            None => {
                let why = "has an unknown source; expected token:NAME, cert:NAME or jwt:NAME";
                return Err(format!("{text:?} {why}"));
            }
        };
        if !self.has(source) {
            let (key, more) = match source {
                Source::Token => ("server.token_file", ""),
                // Names are checked with the file alone, which also `prism config validate` and the admin read.
                Source::Certificate => (
                    "server.tls.client_ca_file",
                    " in the file: --tls-client-ca-file does not enable names in certificates",
                ),
                Source::Jwt => ("server.jwt", ""),
            };
            return Err(format!(
                "{text:?} can never call, because {key} is not set; expected that key{more}"
            ));
        }
        Identity::new(source, name).ok_or_else(|| {
            format!("{name:?} is not a name; expected 1 to {NAME_BYTES_MAX} visible ASCII characters")
        })
    }

    /// The only enabled source.
    fn only(self, text: &str) -> Result<Source, String> {
        let mut enabled = self.enabled();
        match (enabled.next(), enabled.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(format!("nobody can have the name {text:?}; expected {SOURCE_KEYS}")),
            (Some(one), Some(_)) => {
                let all: Vec<_> = self.enabled().map(|source| format!("{source}:NAME")).collect();
                Err(format!(
                    "{text:?} has no source, and several are enabled; expected {}, such as \"{one}:{text}\"",
                    all.join(" or ")
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENS: Sources = Sources { token: true, certificate: false, jwt: false };
    const ALL: Sources = Sources { token: true, certificate: true, jwt: true };

    fn read(sources: Sources, text: &str) -> Result<String, String> {
        sources.identity(text).map(|identity| identity.to_string())
    }

    #[test]
    fn a_name_may_be_bare_while_one_source_is_enabled() {
        assert_eq!(read(TOKENS, "orders").unwrap(), "token:orders");
        assert_eq!(read(TOKENS, "token:orders").unwrap(), "token:orders");
        let certificates = Sources { certificate: true, ..Sources::default() };
        assert_eq!(read(certificates, "spiffe://corp/report").unwrap(), "cert:spiffe://corp/report");
        assert_eq!(read(ALL, "cert:spiffe://corp/report").unwrap(), "cert:spiffe://corp/report");
        let error = read(ALL, "orders").unwrap_err();
        assert!(
            error.contains("several are enabled; expected token:NAME or cert:NAME or jwt:NAME"),
            "{error}"
        );
    }

    #[test]
    fn what_can_never_call_is_refused() {
        for (sources, text, expected) in [
            (Sources::default(), "orders", "nobody can have the name"),
            (Sources::default(), "token:orders", "server.token_file is not set"),
            (TOKENS, "jwt:orders", "server.jwt is not set"),
            (TOKENS, "cert:orders", "server.tls.client_ca_file is not set"),
            (TOKENS, "cert:orders", "--tls-client-ca-file does not enable names in certificates"),
            (TOKENS, "saml:orders", "unknown source"),
            (TOKENS, "Token:orders", "unknown source"),
            (TOKENS, "", "1 to 256 visible ASCII"),
            (TOKENS, "token:", "1 to 256 visible ASCII"),
            (TOKENS, "a b", "1 to 256 visible ASCII"),
            (TOKENS, "a\nb", "1 to 256 visible ASCII"),
        ] {
            let error = read(sources, text).unwrap_err();
            assert!(error.contains(expected) && error.contains("expected"), "{text:?}: {error}");
        }
    }
}
