//! The address of a backend, as the configuration writes it.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use http::uri::Authority;

/// The address of a backend.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `HOST:PORT` or `http://HOST:PORT`: a plugin over TCP. Every address that the host resolves to is tried.
    Tcp(Authority),
    /// `unix:PATH`: a plugin on a Unix socket.
    Unix(PathBuf),
    /// `embedded:NAME`: a plugin within the proxy's own process.
    Embedded(String),
}

/// The proxy's name in the `server` header of its own responses: those of health and reflection.
pub const PROXY: &str = "prism-proxy";

/// The forms of an endpoint, for messages.
pub const EXPECTED: &str = "expected HOST:PORT, http://HOST:PORT, unix:PATH or embedded:NAME";

impl std::str::FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err(format!("expected a path after unix:; {EXPECTED}")),
                path => Ok(Self::Unix(PathBuf::from(path))),
            };
        }
        if let Some(name) = text.strip_prefix("embedded:") {
            return match name {
                "" => Err(format!("expected a name after embedded:; {EXPECTED}")),
                name => Ok(Self::Embedded(name.to_owned())),
            };
        }
        if text.starts_with("https://") {
            return Err(format!(
                "for TLS, name it in the list `backends` with `tls: {{}}` beside the endpoint; {EXPECTED}"
            ));
        }
        let address = text.strip_prefix("http://").unwrap_or(text);
        let address = address.strip_suffix('/').unwrap_or(address);
        let authority = address.parse::<Authority>().map_err(|_| EXPECTED.to_owned())?;
        let plain = !authority.as_str().contains('@') && !authority.host().is_empty();
        match authority.port_u16() {
            Some(1..) if plain => Ok(Self::Tcp(authority)),
            Some(_) => Err(EXPECTED.to_owned()),
            None => Err(format!("the port, 1 to 65535, is missing or invalid; {EXPECTED}")),
        }
    }
}

impl Endpoint {
    /// The host and port, the socket's path, or the plugin's name.
    pub(crate) fn server(&self) -> (Cow<'_, str>, Option<u16>) {
        match self {
            Self::Tcp(authority) => (authority.host().into(), authority.port_u16()),
            Self::Unix(path) => (path.to_string_lossy(), None),
            Self::Embedded(name) => (name.into(), None),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(authority) => write!(f, "{authority}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Embedded(name) => write!(f, "embedded:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_in_every_form() {
        let shown = |text: &str| text.parse::<Endpoint>().map(|endpoint| endpoint.to_string());
        for text in ["localhost:50051", "[::1]:50051", "unix:/run/plugin.sock", "embedded:memstore"] {
            assert_eq!(shown(text).as_deref(), Ok(text));
        }
        assert_eq!(shown("http://localhost:50051/").as_deref(), Ok("localhost:50051"));
    }

    #[test]
    fn other_forms_are_refused_with_what_was_expected() {
        for wrong in [
            "",
            "localhost",
            "localhost:",
            "localhost:0",
            "localhost:99999",
            "unix:",
            "embedded:",
            ":80",
            "u@h:1",
            "a b:1",
        ] {
            let error = wrong.parse::<Endpoint>().unwrap_err();
            assert!(error.contains("expected HOST:PORT"), "{wrong}: {error}");
        }
        assert!("https://a:1".parse::<Endpoint>().unwrap_err().contains("TLS"));
    }
}
