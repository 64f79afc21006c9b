//! HTTP/2 (RFC 9113) for gRPC, both sides of a connection.
//!
//! It serves many short calls: a message or two each way, with the same headers as the call before. So a frame is encoded where it is
//! handed over, into the connection's one output buffer, if the windows and the socket allow it. Only what they do not allow waits in
//! its stream's queue. All connections of a thread are read into one buffer, so that an idle connection has none.
//!
//! | module | owns |
//! |---|---|
//! | [`reason`] | the codes of errors |
//! | [`error`] | why a stream or a connection ended |
//! | `frame` | the head of a frame, its types and flags |
//! | `settings` | the parameters of each side |
//! | `hpack` | header compression (RFC 7541) |
//! | `head` | requests and responses as header fields, and the rules for them |
//! | [`payload`] | bytes to be sent |
//! | `output` | what has been encoded and not been written yet |
//! | `received` | what has arrived on a stream and not been read yet |
//! | `stream` | one stream |
//! | `state` | one connection: its streams and windows |
//! | `send` | what is sent |
//! | `end` | the ends of streams, and of the connection |
//! | `open` | opening streams, at a client |
//! | `receive` | what each arriving frame does to it |
//! | `reader` | from bytes to frames |
//! | [`handle`] | the halves of a stream, as callers hold them |
//! | `driver` | a connection and its socket |
//! | [`server`] | the server's side |
//! | [`client`] | the client's side |
//!
//! A module imports only those above it. Priorities are ignored, pushes refused; there is no HTTP/1.1 and no CONNECT.
//!
//! # Limits
//! A peer can make a connection hold at most: what the windows let it send unread; an incomplete frame; a block of headers; an output
//! of 128 KiB and a frame, twice that while it is being written; what callers have queued on the streams in flight; and 16 KiB of
//! replies (acknowledgements, resets), beyond which nothing more is read from it. Whether a peer resets too many streams, or takes too
//! long, is for the caller to judge.

pub mod client;
mod driver;
mod end;
pub mod error;
mod frame;
pub mod handle;
mod head;
mod hpack;
mod open;
mod output;
pub mod payload;
mod reader;
pub mod reason;
mod receive;
mod received;
mod send;
pub mod server;
mod settings;
mod state;
mod stream;

pub use error::Error;
pub use handle::{RecvStream, SendStream};
pub use payload::Payload;
pub use reason::Reason;
