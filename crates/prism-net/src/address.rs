//! Addresses in their written form: TCP (`HOST:PORT`) and Unix sockets (`unix:PATH`).

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// Where to listen, or what to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `HOST:PORT`; the host may be a name.
    Tcp(String),
    /// `unix:PATH`.
    Unix(PathBuf),
}

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err("expected a path after unix:".to_owned()),
                path => Ok(Self::Unix(PathBuf::from(path))),
            };
        }
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Self::Tcp(text.to_owned()))
            }
            _ => Err("expected HOST:PORT (such as 127.0.0.1:8980; port 0 picks a free one) or unix:PATH"
                .to_owned()),
        }
    }
}

impl Address {
    /// Whether it leads to this machine, so that nobody else sees what is sent there: a Unix socket, `localhost`, or a
    /// loopback address.
    #[must_use]
    pub fn is_this_machine(&self) -> bool {
        let host = self.host().trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }

    /// The host that HTTP requests to this address name: `localhost` for a Unix socket.
    #[must_use]
    pub fn authority(&self) -> &str {
        match self {
            Self::Tcp(authority) => authority,
            Self::Unix(_) => "localhost",
        }
    }

    /// The host without its port, `localhost` for a Unix socket: the name that a server's certificate must have.
    #[must_use]
    pub fn host(&self) -> &str {
        let authority = self.authority();
        authority.rsplit_once(':').map_or(authority, |(host, _)| host)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_from_others() {
        let is_this = |text: &str| text.parse::<Address>().unwrap().is_this_machine();
        for text in [
            "localhost:1",
            "LocalHost:1",
            "127.0.0.1:1",
            "127.8.9.1:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
            "unix:/a",
        ] {
            assert!(is_this(text), "{text}");
        }
        for text in ["localhost.example:1", "0.0.0.0:1", "128.0.0.1:1", "[::2]:1", "gateway:1"] {
            assert!(!is_this(text), "{text}");
        }
    }

    #[test]
    fn addresses_are_read_and_written() {
        for text in ["127.0.0.1:0", "localhost:8980", "[::1]:80", "unix:/run/prism.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        let host = |text: &str| text.parse::<Address>().unwrap().host().to_owned();
        assert_eq!([host("a:1"), host("[::1]:80"), host("unix:/a:1")], ["a", "[::1]", "localhost"]);
        for wrong in ["", "localhost", ":80", "localhost:99999", "unix:"] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }
}
