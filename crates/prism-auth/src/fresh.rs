//! Keeping files of credentials fresh.

use std::sync::Arc;
use std::time::Duration;

/// How often the files are looked at: a revoked token is refused at the latest after this time.
const REFRESH_EVERY: Duration = Duration::from_secs(1);

/// Calls `refresh`, which may block, every second on a thread for that; never ends.
pub async fn keep_fresh(refresh: impl Fn() + Send + Sync + 'static) {
    let refresh = Arc::new(refresh);
    let mut timer = tokio::time::interval(REFRESH_EVERY);
    loop {
        timer.tick().await;
        let refresh = Arc::clone(&refresh);
        if tokio::task::spawn_blocking(move || refresh()).await.is_err() {
            tracing::error!("cannot look at the files of credentials");
        }
    }
}
