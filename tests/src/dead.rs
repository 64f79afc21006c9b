//! An address where nobody listens.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};

/// A TCP port that is bound and does not listen: connections to it are refused, and nobody else can take it.
#[derive(Debug)]
pub struct DeadAddress(OwnedFd);

impl DeadAddress {
    /// Takes one.
    ///
    /// # Panics
    /// No port can be had.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it takes a port of the system's")]
    pub fn new() -> Self {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket can be had");
        bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port can be had");
        Self(socket)
    }

    /// Where it is.
    ///
    /// # Panics
    /// The system does not know.
    #[must_use]
    pub fn address(&self) -> String {
        let address = getsockname(&self.0).expect("a bound socket has an address");
        SocketAddr::try_from(address).expect("it is an IP address").to_string()
    }
}
