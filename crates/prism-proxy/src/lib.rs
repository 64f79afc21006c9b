//! The proxy: accepts every call on one gRPC port and forwards it, unmodified, to the backend of its namespace.
//!
//! | module | owns |
//! |---|---|
//! | [`config`] | the configuration file: reading and checking it |
//! | [`endpoint`] | the addresses of backends |
//! | [`route`] | the table from namespace to backend and limits |
//! | [`reload`] | reloading the file when it changes |
//! | [`status`] | `/config/status`: the configuration in force, and the state of backends |
//! | [`limit`] | a namespace's calls in flight and per second |
//! | [`access`] | the access log |
//! | [`traffic`] | counters of each namespace's calls, and `/traffic` |
//! | `metrics` | the proxy's part of `/metrics` |
//! | [`namespace`] | finding the namespace in a message's bytes |
//! | [`shared`] | what the workers share |
//! | [`forward`] | one call's path through the proxy |
//! | [`upstream`] | connections to backends, and queries of their reflection |
//! | [`error`] | the proxy's own errors |
//! | `reflected` | what the proxy's reflection describes |
//! | [`app`] | wiring: flags, table, server |
//!
//! The proxy knows no interface's messages, only that field 1 of a request is its namespace. A plugin with new
//! interfaces requires no change in the proxy.

pub mod access;
pub mod app;
pub mod config;
pub mod endpoint;
pub mod error;
pub mod forward;
pub mod limit;
mod metrics;
pub mod namespace;
mod reflected;
pub mod reload;
pub mod route;
pub mod shared;
pub mod status;
pub mod traffic;
pub mod upstream;
