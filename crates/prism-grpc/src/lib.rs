//! gRPC over HTTP/2. It knows calls, messages and services, not the process around them.
//!
//! | module | owns |
//! |---|---|
//! | [`head`] | the head of a call: what makes it gRPC, its deadline |
//! | [`span`] | what a call needs of tracing, as traits |
//! | [`shares`] | bounded resources, and the share that one connection may use |
//! | [`slots`] | slots that calls occupy while they last |
//! | [`limits`] | the sizes of those resources |
//! | [`identity`] | who makes a call |
//! | [`shown`] | the credential that a connection has shown last |
//! | [`peer`] | the other end of a connection, and what it uses |
//! | [`context`] | what is known about a call besides its message |
//! | [`authenticate`] | the seam to what identifies callers |
//! | [`counters`] | plain counters of connections and calls |
//! | [`incoming`] | the receiving half of a stream as a body |
//! | [`pump`] | moving a body into a stream under flow control |
//! | [`message`] | the framing of gRPC messages |
//! | [`shared`] | what the connections of a process share |
//! | `admission` | which calls are accepted |
//! | [`call`] | one gRPC call on its stream, and its response |
//! | `handshake` | the first bytes of a connection |
//! | `resets` | how many calls a client has reset recently |
//! | [`connection`] | one HTTP/2 connection: streams, graceful end |
//! | `connections` | the open connections, and which makes room for a new one |
//! | `frames` | messages as the body of a response |
//! | [`interface`] | an interface in front of a backend, method by method |
//! | [`service`] | interfaces and tonic services as one |
//! | [`handler`] | serving calls with them |
//! | [`workers`] | threads with a runtime each, and the acceptor that feeds them |
//!
//! A module imports only those above it. A connection lives on one worker, and so does everything it touches. Most of
//! the speed comes from that: waking another thread was the largest single cost of a forwarded call.

mod admission;
pub mod attempt;
pub mod authenticate;
pub mod call;
pub mod connection;
mod connections;
pub mod context;
pub mod counters;
mod frames;
pub mod handler;
mod handshake;
pub mod head;
pub mod identity;
pub mod incoming;
pub mod interface;
pub mod limits;
pub mod message;
pub mod peer;
pub mod pump;
mod resets;
pub mod service;
pub mod shared;
pub mod shares;
pub mod shown;
pub mod slots;
pub mod span;
pub mod workers;

pub use call::Call;
pub use context::Context;
pub use service::GrpcService;
