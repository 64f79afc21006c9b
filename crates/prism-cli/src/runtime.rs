//! The runtime of the commands that make calls: one thread is plenty.

use crate::failure::Failure;

/// Runs a command's calls to their end.
pub(crate) fn block_on<T>(calls: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::File(format!("cannot create a runtime: {error}")))?.block_on(calls)
}
