//! What every Prism server binary needs, once.
//!
//! | module | owns |
//! |---|---|
//! | [`allocator`] | the allocator of all binaries |
//! | [`args`] | flags that all servers share, and their environment variables |
//! | [`exit`] | exit codes, and the one way `main` ends |
//! | [`telemetry`] | logs |
//! | [`traces`] | OpenTelemetry spans of the calls |
//! | [`listen`] | addresses, TCP and Unix listeners |
//! | [`server`] | start, ready, drain, stop |
//! | [`workers`] | threads with a runtime each, and the acceptor that feeds them |
//! | [`connection`] | one HTTP/2 connection: handshake, streams, graceful end |
//! | [`call`] | one gRPC call on its stream: the head's rules, deadline, answers |
//! | [`message`] | the framing of gRPC messages |
//! | [`pump`] | moving a body into a stream under flow control |
//! | [`service`] | tonic services behind the calls: health, reflection, interfaces |
//! | [`unary`] | unary methods, called without a service between |
//! | [`health`] | whether the server takes calls |
//! | [`http`] | `/metrics`, `/livez`, `/readyz`; a server of HTTP alone |
//! | [`fetch`] | asking another process's HTTP port |
//! | [`metrics`] | the figures every server has |
//!
//! A connection lives on one worker, and so does everything it touches. That is where most of the speed comes from:
//! waking another thread was the largest single cost of a forwarded call.

pub mod allocator;
pub mod args;
pub mod call;
pub mod connection;
pub mod exit;
pub mod fetch;
pub mod health;
pub mod http;
pub mod listen;
pub mod message;
pub mod metrics;
pub mod pump;
pub mod server;
pub mod service;
pub mod telemetry;
pub mod traces;
pub mod unary;
pub mod workers;

pub use call::Call;
pub use server::{Running, Server};
pub use service::GrpcService;
