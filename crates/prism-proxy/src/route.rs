//! The table from a namespace to its backend and limits, and what is known about the backends.
//!
//! | module | owns |
//! |---|---|
//! | `table` | the table, and how one namespace is served |
//! | `backend` | a plugin, and the state of its connections |
//! | `discovered` | what a plugin's reflection reported |

mod backend;
mod discovered;
mod table;

pub use backend::{Backend, Failing, Remote, RemoteCounts, RemoteState};
pub use discovered::Discovered;
pub(crate) use discovered::Found;
pub use table::{EmbeddedPlugins, Route, RouteTable};
