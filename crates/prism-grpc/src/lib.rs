//! gRPC over HTTP/2, on the `h2` crate. It knows calls, messages and services, and nothing of the process they run in.
//!
//! | module | owns |
//! |---|---|
//! | [`head`] | the head of a call: what makes it gRPC, its deadline |
//! | [`span`] | what a call needs of tracing, as traits |
//! | [`counters`] | plain counters of connections and calls |
//! | [`pump`] | moving a body into a stream under flow control |
//! | [`message`] | the framing of gRPC messages |
//! | [`call`] | one gRPC call on its stream, and its answer |
//! | [`connection`] | one HTTP/2 connection: handshake, streams, graceful end |
//! | [`unary`] | unary methods, called without a service between |
//! | [`service`] | tonic services behind the calls |
//! | [`workers`] | threads with a runtime each, and the acceptor that feeds them |
//!
//! A module imports only those above it. A connection lives on one worker, and so does everything it touches. That is
//! where most of the speed comes from: waking another thread was the largest single cost of a forwarded call.

pub mod call;
pub mod connection;
pub mod counters;
pub mod head;
pub mod message;
pub mod pump;
pub mod service;
pub mod span;
pub mod unary;
pub mod workers;

pub use call::Call;
pub use service::GrpcService;
