//! Where a proxy's configuration comes from.

use std::path::PathBuf;

use crate::config::{Config, ConfigError};

/// Where a proxy's configuration comes from.
#[derive(Debug)]
pub enum Source {
    /// The program itself; it does not change.
    Fixed(Box<Config>),
    /// A file, reloaded whenever it changes.
    File {
        /// Its path.
        path: PathBuf,
        /// Whether the start fails without it. If not, [`Config::without_file`] is served until the file exists.
        required: bool,
    },
}

impl Source {
    /// The source's name in messages.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Fixed(_) => "the built-in configuration".to_owned(),
            Self::File { path, .. } => path.display().to_string(),
        }
    }

    /// Loads the configuration to start with.
    ///
    /// # Errors
    /// The file is invalid, or required but missing.
    pub fn load(&self) -> Result<Config, ConfigError> {
        match self {
            Self::Fixed(config) => Ok((**config).clone()),
            Self::File { path, required: false } if !path.exists() => {
                tracing::info!(
                    file = %path.display(),
                    "no configuration file; serving namespace default from localhost:50051 until one exists"
                );
                Ok(Config::without_file())
            }
            Self::File { path, .. } => Config::load(path),
        }
    }
}
