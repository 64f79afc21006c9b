//! Addresses: listening and connecting, over TCP and Unix sockets. This crate knows no protocol and no process; its
//! errors are [`io::Error`](std::io::Error)s.
//!
//! | module | owns |
//! |---|---|
//! | [`address`] | addresses as they are written |
//! | [`socket`] | the options of every TCP connection |
//! | [`stream`] | a connection of either kind |
//! | [`listen`] | TCP and Unix listeners |
//! | [`dial`] | connecting to an address |

pub mod address;
pub mod dial;
pub mod listen;
pub mod socket;
pub mod stream;
