//! Addresses: listening and connecting, over TCP and Unix sockets, with TLS or without. This crate knows no process, and
//! nothing of the protocols above but their names; its errors are [`io::Error`](std::io::Error)s, and
//! [`TlsError`](tls::TlsError) for files.
//!
//! | module | owns |
//! |---|---|
//! | [`address`] | addresses as they are written |
//! | [`seldom`] | lines in the log that may come often |
//! | [`socket`] | the options of every TCP connection |
//! | [`stream`] | a connection of any kind |
//! | [`tls`] | TLS: files, the server's side, the client's side |
//! | [`listen`] | TCP and Unix listeners |
//! | [`dial`] | connecting to an address |

pub mod address;
pub mod dial;
pub mod listen;
pub mod seldom;
pub mod socket;
pub mod stream;
pub mod tls;
