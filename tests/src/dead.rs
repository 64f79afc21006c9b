//! Addresses where nothing listens, or nothing responds.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};

/// A TCP port that is bound but does not listen: connections to it are refused, and nobody else can use it.
#[derive(Debug)]
pub struct DeadAddress(OwnedFd);

impl DeadAddress {
    /// Reserves one.
    ///
    /// # Panics
    /// No port is free.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it takes a port of the system's")]
    pub fn new() -> Self {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket can be had");
        bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port can be had");
        Self(socket)
    }

    /// Its address.
    ///
    /// # Panics
    /// The system does not know it.
    #[must_use]
    pub fn address(&self) -> String {
        let address = getsockname(&self.0).expect("a bound socket has an address");
        SocketAddr::try_from(address).expect("it is an IP address").to_string()
    }
}

/// A TCP port whose connection queue is full and never drained: attempts to connect get no response.
#[derive(Debug)]
pub struct SilentAddress {
    port: u16,
    _listening: OwnedFd,
    _queued: Vec<TcpStream>,
}

impl SilentAddress {
    /// Reserves one on 127.0.0.1.
    ///
    /// # Panics
    /// No port is free, or the system responds for it.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it takes a port of the system's")]
    pub fn new() -> Self {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket can be had");
        bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port can be had");
        listen(&socket, 0).expect("a bound socket can listen");
        let address = getsockname(&socket).expect("a bound socket has an address");
        let address = SocketAddr::try_from(address).expect("it is an IP address");
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100));
        let queued: Vec<_> = std::iter::from_fn(|| connect().ok()).collect();
        assert_eq!(connect().expect_err("the queue is full").kind(), ErrorKind::TimedOut);
        Self { port: address.port(), _listening: socket, _queued: queued }
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}
