//! The plugin kit: what a Prism backend is made of.
//!
//! A backend implements [`KeyValue`], [`List`] or both. [`Plugin`] turns them into gRPC services that obey the
//! contract: requests are checked, errors carry their reason, health, reflection and the declared
//! [`Capabilities`] are served.
//!
//! | module | owns |
//! |---|---|
//! | [`keyvalue`], [`list`] | the traits |
//! | [`usage`] | what a backend tells of what it holds |
//! | [`types`] | checked arguments |
//! | [`error`] | what a backend fails with |
//! | [`app`] | a plugin's process |
//! | `conformance` | the contract as test cases, for any endpoint (feature `conformance`) |

mod adapter;
pub mod app;
mod capabilities;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod error;
pub mod keyvalue;
pub mod list;
mod plugin;
pub mod types;
pub mod usage;
mod validate;

pub use capabilities::Capabilities;
pub use error::{Applied, Error, ErrorReason};
pub use keyvalue::KeyValue;
pub use list::List;
pub use plugin::Plugin;
pub use prism_grpc::Context;
pub use usage::Usage;
