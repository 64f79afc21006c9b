//! Where a proxy's configuration comes from.

use std::path::PathBuf;

use crate::config::{Config, ConfigError};

/// Where a proxy's configuration comes from.
#[derive(Debug)]
pub enum Source {
    /// The program itself; it does not change.
    Fixed(Config),
    /// A file, taken again whenever it changes.
    File {
        /// Where it is.
        path: PathBuf,
        /// Whether a start without it fails. If not, [`Config::without_file`] is served until it is there.
        required: bool,
    },
}

impl Source {
    /// What messages call it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Fixed(_) => "the built-in configuration".to_owned(),
            Self::File { path, .. } => path.display().to_string(),
        }
    }

    /// The configuration to start with.
    ///
    /// # Errors
    /// The file is wrong, or required and missing.
    pub fn load(&self) -> Result<Config, ConfigError> {
        match self {
            Self::Fixed(config) => Ok(config.clone()),
            Self::File { path, required: false } if !path.exists() => {
                tracing::info!(
                    file = %path.display(),
                    "there is no configuration file; serving namespace default from localhost:50051 until there is"
                );
                Ok(Config::without_file())
            }
            Self::File { path, .. } => Config::load(path),
        }
    }
}
