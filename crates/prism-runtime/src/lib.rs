//! The lifecycle of a server's process, shared by all Prism binaries.
//!
//! | module | owns |
//! |---|---|
//! | [`allocator`] | the allocator of all binaries |
//! | [`args`] | flags that all servers share, and their environment variables |
//! | [`limits`] | the flags that limit what a server may use at once |
//! | `descriptors` | the limit of open files |
//! | [`exit`] | exit codes, and the one error type of `main` |
//! | [`process`] | the two ends of `main` |
//! | [`telemetry`] | logs |
//! | [`traces`] | OpenTelemetry spans of calls |
//! | [`exposure`] | what other machines can reach, and what that lacks |
//! | [`signals`] | the signals that stop a process |
//! | [`server`] | start, ready, drain, stop |
//! | [`tls`] | TLS of the ports |
//! | [`health`] | whether the server accepts calls |
//! | [`reflection`] | reflection of what the server's port serves |
//! | [`http`] | `/metrics`, `/livez`, `/readyz`; an HTTP-only server |
//! | [`fetch`] | requests to another process's HTTP port |
//! | [`channel`] | calls to another process's gRPC port |
//! | [`metrics`] | the metrics that every server has |

pub mod allocator;
pub mod args;
pub mod channel;
mod descriptors;
pub mod exit;
pub mod exposure;
pub mod fetch;
pub mod health;
pub mod http;
pub mod limits;
pub mod metrics;
pub mod process;
pub mod reflection;
pub mod server;
pub mod signals;
pub mod telemetry;
pub mod tls;
pub mod traces;

pub use server::{Running, Server};
