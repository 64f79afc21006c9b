//! The two ends of `main`: running a server's future, and turning its result into an exit code.

use std::process::ExitCode;

use crate::exit::ServerError;
use crate::telemetry;

/// Runs a server's future to its end on the main thread, which accepts connections and serves HTTP.
///
/// # Errors
/// The future's, or the system refuses a runtime.
pub fn block_on<F: Future<Output = Result<(), ServerError>>>(future: F) -> Result<(), ServerError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServerError::failed)?;
    let ended = runtime.block_on(future);
    // A disk that does not answer would hold it up for ever.
    runtime.shutdown_background();
    ended
}

/// Ends `main`: prints the error on standard error and turns it into the exit code.
pub fn report(name: &str, result: Result<(), ServerError>) -> ExitCode {
    match result {
        Ok(()) => {
            telemetry::flush();
            ExitCode::SUCCESS
        }
        Err(error) => {
            telemetry::end_with(&format!("{name}: {error}\n"));
            ExitCode::from(error.code())
        }
    }
}
