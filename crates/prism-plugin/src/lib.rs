//! The plugin kit, with which a Prism backend is built.
//!
//! A backend implements [`KeyValue`], [`List`] or both. [`Plugin`] turns them into gRPC services that obey the
//! contract: they check requests and give errors their reason, and health, reflection and the declared [`Capabilities`]
//! are served.
//!
//! | module | owns |
//! |---|---|
//! | [`keyvalue`], [`list`] | the traits |
//! | [`transfer`] | copies out of a backend and into it |
//! | [`usage`] | what a backend reports about what it holds |
//! | [`types`] | checked arguments |
//! | [`retries`] | calls that may be repeated without being applied twice |
//! | [`error`] | the error of a backend |
//! | `callers` | who may call a plugin |
//! | [`app`] | a plugin's process |
//! | [`driver`] | a backend within another process |
//! | `conformance` | the contract as test cases, for any endpoint (feature `conformance`) |

mod adapter;
pub mod app;
mod callers;
mod capabilities;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod driver;
pub mod error;
pub mod keyvalue;
pub mod list;
mod plugin;
mod resume;
pub mod retries;
pub mod transfer;
pub mod types;
pub mod usage;
mod validate;

pub use capabilities::words::Promise;
pub use capabilities::{Capabilities, Durability};
pub use error::{Applied, Error, ErrorReason};
pub use keyvalue::KeyValue;
pub use list::List;
pub use plugin::Plugin;
pub use prism_grpc::Context;
pub use retries::IdempotentRetries;
pub use transfer::Transfer;
pub use usage::Usage;
