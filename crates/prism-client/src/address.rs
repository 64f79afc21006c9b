//! The gateway's address: parsing, and the origin of HTTP/2 requests to it.

use std::fmt;
use std::path::PathBuf;

use http::Uri;

use crate::error::Error;

/// A parsed address: `host:port`, `http://host:port` or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A host name or IP address, resolved at every connection attempt, and a port.
    Tcp { host: String, port: u16 },
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() {
                return Err(Error::address("`unix:` needs the path of the socket"));
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        if text.starts_with("https://") {
            return Err(Error::address("https is not supported: use `host:port` or `http://host:port`"));
        }
        let authority = text.strip_prefix("http://").unwrap_or(text);
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let authority: http::uri::Authority = authority
            .parse()
            .map_err(|_| Error::address("expected `host:port`, `http://host:port` or `unix:PATH`"))?;
        if authority.as_str().contains('@') {
            return Err(Error::address("an address cannot contain a user or password: use a token"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        match authority.port_u16() {
            Some(port) if port != 0 && !host.is_empty() => Ok(Self::Tcp { host: host.to_owned(), port }),
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
    pub(crate) fn origin(&self) -> Uri {
        let text = match self {
            Self::Tcp { .. } => format!("http://{self}"),
            Self::Unix(_) => "http://localhost".to_owned(),
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
    fn the_three_forms_are_understood() {
        for (text, shown, origin) in [
            ("localhost:8980", "localhost:8980", "http://localhost:8980/"),
            ("http://10.0.0.7:80", "10.0.0.7:80", "http://10.0.0.7:80/"),
            ("http://gateway.example:8980/", "gateway.example:8980", "http://gateway.example:8980/"),
            ("[::1]:8980", "[::1]:8980", "http://[::1]:8980/"),
            ("unix:/run/prism.sock", "unix:/run/prism.sock", "http://localhost/"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(
                (address.to_string().as_str(), address.origin().to_string().as_str()),
                (shown, origin)
            );
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
            "https://localhost:8980",
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
