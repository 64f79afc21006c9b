//! Servers, plugins and relays that tests start and that end with them.

pub(crate) mod cluster;
pub(crate) mod plugin;
pub(crate) mod relay;
pub(crate) mod sentinel;
pub(crate) mod server;
pub(crate) mod store;

use std::time::{Duration, Instant};

/// How long anything may take. Far more than it takes: a busy machine is not a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until the answer is right.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} does not happen");
        tokio::task::yield_now().await;
    }
}
