//! The proxy: takes every call on one gRPC port and forwards it, untouched, to the backend of its namespace.
//!
//! | module | owns |
//! |---|---|
//! | [`config`] | the configuration file: reading and checking it |
//! | [`endpoint`] | the addresses of backends |
//! | [`route`] | the table from namespace to backend and limits |
//! | [`reload`] | taking the file again when it changes |
//! | [`status`] | `/config/status`: what is in force, and how backends are |
//! | [`limit`] | a namespace's calls under way and per second |
//! | [`access`] | the access log |
//! | [`traffic`] | what a namespace's calls come to, and `/traffic` |
//! | `metrics` | the proxy's part of `/metrics` |
//! | [`namespace`] | finding the namespace in a message's bytes |
//! | [`shared`] | what the workers share |
//! | [`forward`] | one call's way through |
//! | [`upstream`] | connections to backends, and asking their reflection |
//! | [`error`] | the refusals that are the proxy's own |
//! | `reflected` | what the proxy's reflection tells of |
//! | [`app`] | wiring: flags, table, server |
//!
//! No interface's messages are known here, only that field 1 of a request is its namespace. A plugin with new
//! interfaces needs no change of the proxy.

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
