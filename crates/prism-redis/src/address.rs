//! Where a server listens.

use std::fmt;
use std::path::PathBuf;

use prism_net::address::Address;

/// The port that is meant when a URL names none.
const PORT_DEFAULT: u16 = 6379;

/// The address of one server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum NodeAddress {
    /// Host and port.
    Tcp {
        /// A name or an IP address; an IPv6 address without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl NodeAddress {
    /// An address over TCP; `None` for the port means the default.
    pub(crate) fn tcp(host: &str, port: Option<u16>) -> Self {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Self::Tcp { host, port: port.unwrap_or(PORT_DEFAULT) }
    }

    /// Parses the address in a redirection, `HOST:PORT`. An empty host means the host that redirects, `origin`.
    pub(crate) fn redirected(text: &str, origin: &Self) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok()?;
        match (host, origin) {
            ("", Self::Tcp { host, .. }) => Some(Self::Tcp { host: host.clone(), port }),
            ("" | "?", _) => None,
            (host, _) => Some(Self::tcp(host, Some(port))),
        }
    }

    /// The address to dial.
    pub(crate) fn dialled(&self) -> Address {
        match self {
            Self::Tcp { .. } => Address::Tcp(self.to_string()),
            Self::Unix(path) => Address::Unix(path.clone()),
        }
    }
}

impl fmt::Display for NodeAddress {
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
    fn redirections_are_read_in_every_form() {
        let origin = NodeAddress::tcp("10.0.0.1", None);
        let read = |text: &str| NodeAddress::redirected(text, &origin).map(|address| address.to_string());
        assert_eq!(read("10.0.0.2:7000").unwrap(), "10.0.0.2:7000");
        assert_eq!(read("::1:7000").unwrap(), "[::1]:7000");
        assert_eq!(read("node-2.example:7000").unwrap(), "node-2.example:7000");
        assert_eq!(read(":7001").unwrap(), "10.0.0.1:7001", "no host means the host that answered");
        for wrong in ["", "10.0.0.2", "10.0.0.2:", "?:7000", "10.0.0.2:70000"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
