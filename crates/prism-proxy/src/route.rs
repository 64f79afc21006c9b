//! The table from a namespace to its backend and limits, and what is known about the backends.
//!
//! | module | owns |
//! |---|---|
//! | `table` | the table, and how one namespace is served |
//! | `check` | the rules of a configuration that only drivers know |
//! | `secured` | TLS to the backends |
//! | `backend` | a plugin, and the state of its connections |
//! | `embedded` | a backend within this process |
//! | `discovered` | what a plugin's reflection reported |

mod backend;
mod check;
mod discovered;
mod embedded;
mod secured;
mod table;

pub use backend::{Backend, Remote, RemoteCounts};
pub use check::{Named, check, named, shared};
pub use discovered::Discovered;
pub(crate) use discovered::Found;
pub use embedded::Embedded;
pub use table::{Route, RouteTable};
