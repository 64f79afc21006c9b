//! What a store is told: the options of a configuration file, the flags of `prism-redis`, and the settings that both
//! become once they are checked.

mod args;
mod options;
mod settings;
mod url;

pub use args::{Args, LISTEN_DEFAULT};
pub use options::Options;
pub use settings::{Durability, Layout, Settings};

pub(crate) use settings::Mode;
