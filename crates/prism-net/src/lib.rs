//! Addresses: listening and connecting, over TCP and Unix sockets. It knows no protocol and no process; what fails is an
//! [`io::Error`](std::io::Error).
//!
//! | module | owns |
//! |---|---|
//! | [`listen`] | addresses, TCP and Unix listeners, the options of every TCP connection |

pub mod listen;
