//! Addresses: listening and connecting, over TCP and Unix sockets. It knows no protocol and no process; what fails is an
//! [`io::Error`](std::io::Error).
//!
//! | module | owns |
//! |---|---|
//! | [`address`] | addresses as they are written |
//! | [`socket`] | the options of every TCP connection |
//! | [`stream`] | a connection of either kind |
//! | [`listen`] | TCP and Unix listeners |
//! | [`dial`] | reaching an address |

pub mod address;
pub mod dial;
pub mod listen;
pub mod socket;
pub mod stream;
