//! The admin: owns the configuration file that proxies read, and lets namespaces be created, changed, removed and
//! rolled back over HTTP while traffic flows.
//!
//! | module | owns |
//! |---|---|
//! | [`config`] | flags |
//! | [`app`] | wiring: flags, store, routes, server |
//! | [`error`] | why a request was not done, as problem+json |
//! | [`store`] | the file, its revisions and its audit log: the only code that writes |
//! | [`edit`] | changing one namespace in the text |
//! | [`check`] | every mistake of a configuration, by the proxy's rules |
//! | [`policy`] | where backends may be |
//! | [`auth`] | bearer tokens |
//! | [`edge`] | what holds for every request: id, browsers, tokens, time limit, log |
//! | [`request`] | what is read from a request |
//! | [`mod@write`] | one write's way: check, store, wait for the proxies, answer |
//! | [`namespaces`], [`document`], [`revisions`], [`backends`], [`status`] | the endpoints |
//! | [`data`] | the endpoints of keys, values and lists |
//! | [`audit`] | the endpoint of the audit log |
//! | [`session`] | cookies of browsers in place of tokens |
//! | [`console`] | the files of the web console |
//! | [`proxies`], [`traffic`] | what the proxies report, once and over time |
//! | [`gateway`] | the gateway as its clients see it |
//! | [`openapi`] | the description of all this |
//!
//! The file is the truth. Nothing is kept in memory that is not read from it again.

pub mod app;
pub mod audit;
pub mod auth;
pub mod backends;
pub mod check;
pub mod config;
pub mod console;
pub mod data;
pub mod document;
pub mod edge;
pub mod edit;
pub mod error;
pub mod gateway;
pub mod namespaces;
pub mod openapi;
pub mod policy;
pub mod proxies;
pub mod request;
pub mod revisions;
pub mod session;
pub mod status;
pub mod store;
pub mod traffic;
pub mod write;
