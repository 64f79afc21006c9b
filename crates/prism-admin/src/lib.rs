//! The admin: owns the configuration file that proxies read, and lets namespaces be created, changed, removed and
//! rolled back over HTTP while traffic flows.
//!
//! Imports go down this table, never up:
//!
//! | module | owns |
//! |---|---|
//! | [`app`] | wiring: flags, state, routes, server |
//! | [`edge`] | what holds for every request: id, browsers, tokens, time limit, log |
//! | [`console`] | the files of the web console |
//! | [`api::openapi`] | the routes, and their description |
//! | [`api`] | one file a path, named as the path |
//! | [`api::write`] | one write's way: check, store, wait for the proxies, answer |
//! | [`api::request`] | what is read from a request |
//! | [`state`] | what the handlers share |
//! | [`config`] | flags |
//! | [`traffic`], [`proxies`] | what the proxies report, over time and once |
//! | [`gateway`] | the gateway as its clients see it |
//! | [`sessions`], [`auth`] | cookies of browsers in place of tokens, bearer tokens |
//! | [`file::store`] | the file, its revisions and its audit log: the only code that writes |
//! | [`file::edit`] | changing one namespace in the text |
//! | [`file::check`] | every mistake of a configuration, by the proxy's rules |
//! | [`file::policy`] | where backends may be |
//! | [`error`] | why a request was not done, as problem+json |
//!
//! The file is the truth. Nothing is kept in memory that is not read from it again.

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
