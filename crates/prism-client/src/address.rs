//! The gateway's address: parsing, and the origin of HTTP/2 requests to it.

use std::fmt;
use std::path::PathBuf;

use http::Uri;

use crate::error::Error;

/// A parsed address: `host:port`, also with `http://` or `https://`, or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A host name or IP address, resolved at every connection attempt, and a port.
    Tcp { host: String, port: u16 },
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// What an address says of encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Nothing: the settings decide.
    Unstated,
    /// `http://`
    Plaintext,
    /// `https://`
    Tls,
}

impl Scheme {
    fn of(text: &str) -> (Self, &str) {
        match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(authority), _) => (Self::Plaintext, authority),
            (_, Some(authority)) => (Self::Tls, authority),
            _ => (Self::Unstated, text),
        }
    }
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<(Self, Scheme), Error> {
        if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() {
                return Err(Error::address("`unix:` needs the path of the socket"));
            }
            return Ok((Self::Unix(PathBuf::from(path)), Scheme::Unstated));
        }
        let (scheme, authority) = Scheme::of(text);
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let authority: http::uri::Authority = authority
            .parse()
            .map_err(|_| Error::address("expected `host:port`, `https://host:port` or `unix:PATH`"))?;
        if authority.as_str().contains('@') {
            return Err(Error::address("an address cannot contain a user or password: use a token"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        match authority.port_u16() {
            Some(port) if port != 0 && !host.is_empty() => {
                Ok((Self::Tcp { host: host.to_owned(), port }, scheme))
            }
            _ => Err(Error::address("expected `host:port` with a port between 1 and 65535")),
        }
    }

    /// The address in the form in which it is dialled.
    pub(crate) fn to_dial(&self) -> prism_net::address::Address {
        match self {
            Self::Tcp { .. } => prism_net::address::Address::Tcp(self.to_string()),
            Self::Unix(path) => prism_net::address::Address::Unix(path.clone()),
        }
    }

    /// The scheme and authority of requests to this address; for a Unix socket, those of `localhost`.
    pub(crate) fn origin(&self, is_tls: bool) -> Uri {
        let scheme = if is_tls { "https" } else { "http" };
        let text = match self {
            Self::Tcp { .. } => format!("{scheme}://{self}"),
            Self::Unix(_) => format!("{scheme}://localhost"),
        };
        text.parse().expect("the parts come from a parsed authority")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_are_understood() {
        for (text, shown, origin) in [
            ("localhost:8980", "localhost:8980", "http://localhost:8980/"),
            ("http://10.0.0.7:80", "10.0.0.7:80", "http://10.0.0.7:80/"),
            ("http://gateway.example:8980/", "gateway.example:8980", "http://gateway.example:8980/"),
            ("[::1]:8980", "[::1]:8980", "http://[::1]:8980/"),
            ("https://gateway.example:8980/", "gateway.example:8980", "https://gateway.example:8980/"),
            ("unix:/run/prism.sock", "unix:/run/prism.sock", "http://localhost/"),
        ] {
            let (address, scheme) = Address::parse(text).unwrap();
            let origin_of = address.origin(scheme == Scheme::Tls).to_string();
            assert_eq!((address.to_string().as_str(), origin_of.as_str()), (shown, origin));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "localhost",
            "localhost:",
            ":8980",
            "localhost:0",
            "localhost:99999",
            "https://localhost",
            "http://localhost:8980/path",
            "user:secret@localhost:8980",
            "unix:",
            "two words:1",
        ] {
            let error = Address::parse(text).expect_err(text);
            assert_eq!(error.kind(), crate::ErrorKind::InvalidArgument, "{text}");
        }
    }
}
