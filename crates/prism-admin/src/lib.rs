//! The admin: owns the configuration file that proxies read, and lets clients create, change, remove and roll back
//! namespaces and backends over HTTP while traffic flows.
//!
//! Imports go down this table, never up:
//!
//! | module | owns |
//! |---|---|
//! | [`app`] | wiring: flags, state, routes, server |
//! | [`edge`] | what applies to every request: id, browsers, tokens, timeout, log |
//! | [`console`] | the files of the web console |
//! | [`api::openapi`] | the routes, and their description |
//! | [`api`] | one file per path, named after it |
//! | [`api::write`] | the steps of a write: check, store, wait for the proxies, respond |
//! | [`api::held`] | what the proxies hold in memory, which a write may lose |
//! | [`api::request`] | extractors |
//! | [`state`] | what the handlers share |
//! | [`config`] | flags |
//! | [`traffic`], [`proxies`] | what the proxies report, over time and at the moment |
//! | [`gateway`] | the gateway as seen by a client |
//! | [`sessions`], [`auth`] | browsers' cookies that represent tokens; bearer tokens |
//! | [`file::store`] | the file, its revisions and its audit log: the only code that writes |
//! | [`file::edit`] | changing one namespace or backend in the text |
//! | [`file::check`] | every mistake of a configuration, by the rules of the proxy and its drivers |
//! | [`file::policy`], [`file::reach`] | which backends are allowed, and where they connect |
//! | [`error`] | why a request failed, as problem+json |
//!
//! The file is the source of truth: everything kept in memory is read from it again.

pub mod api;
pub mod app;
pub mod auth;
pub mod config;
pub mod console;
pub mod edge;
pub mod error;
pub mod file;
pub mod gateway;
pub mod proxies;
pub mod sessions;
pub mod state;
pub mod traffic;
