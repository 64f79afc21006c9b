//! Logs: one line an event on standard error, as text for people or JSON for collectors.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::args::LogFormat;
use crate::exit::ServerError;

/// Sends logs to standard error. Call it once, first in `main`.
///
/// # Errors
/// The filter cannot be parsed.
pub fn init(filter: &str, format: LogFormat) -> Result<(), ServerError> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        ServerError::Config(format!("--log: {error}; expected a level or a filter such as info,h2=warn"))
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}
