//! `/namespaces/{name}/keys/delete`: removes all keys with a prefix, and says how far it is while it does so.

use std::convert::Infallible;
use std::future::IntoFuture as _;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use http::HeaderName;
use http::header::CONTENT_TYPE;
use prism_client::{DeletePrefix, Error};
use prism_proto::limits::KEY_BYTES_MAX;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};

use super::note;
use crate::api::request::{Param, Params};
use crate::error::{Kind, Problem};
use crate::file::store::Caller;
use crate::gateway::problem;
use crate::state::Admin;

/// How often there is a line at least: before whatever is in between takes the response for stalled, as nginx does after 60 s
/// (<https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_read_timeout>).
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How long the first line waits for news, which may be that the gateway cannot be reached: less than a request may take to a response's
/// head.
const FIRST_LINE_WITHIN: Duration = Duration::from_secs(20);

/// The query of a deletion.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PrefixParams {
    /// The beginning of the keys, 1 to 4,096 bytes: what removes everything is not said by leaving something out.
    prefix: String,
}

/// A line of the response.
#[derive(Debug, Serialize, ToSchema)]
pub struct Progress {
    /// The number of keys removed so far.
    deleted: u64,
    /// Whether this is the last line, and no key with the prefix is left of those that were there.
    is_complete: bool,
    /// Why it ended early; then this is the last line, too.
    #[schema(required = true)]
    error: Option<String>,
}

/// Remove all keys with a prefix, one by one. Closing the connection stops it; what has been removed stays removed.
#[utoipa::path(post, path = "/namespaces/{name}/keys/delete", tag = "data", params(("name" = String, Path), PrefixParams),
    responses((status = 200, description = "A line of JSON for each step; the last one says how it ended.", body = Progress,
        content_type = "application/x-ndjson")))]
pub async fn delete(
    State(admin): State<Admin>,
    Param(name): Param<String>,
    Params(params): Params<PrefixParams>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    let prefix = params.prefix;
    if !(1..=KEY_BYTES_MAX).contains(&prefix.len()) {
        let detail = format!("prefix: expected 1 to {KEY_BYTES_MAX} bytes; nothing was changed");
        return Err(Problem::new(Kind::Malformed, detail));
    }
    note(&admin, caller, format!("delete all keys with a prefix in {name}"), &prefix).await?;
    let deletion = admin.gateway.walked(&name).keyvalue().delete_prefix(prefix);
    let mut running = Running::new(deletion, admin.stopping.clone());
    // What is refused is a problem, like everywhere: the status is sent with the first line.
    let first = match running.first().await {
        Err(error) if running.deleted == 0 => return Err(problem(&error)),
        first => running.line(first),
    };
    let lines = stream::unfold((Some(first), running), async |(line, mut running)| {
        let line = match line {
            Some(line) => line,
            None if running.is_over => return None,
            None => {
                let next = running.next().await;
                running.line(next)
            }
        };
        running.is_over |= line.is_complete || line.error.is_some();
        Some((Ok::<_, Infallible>(line.text()), (None, running)))
    });
    // Otherwise nginx would collect the lines until its buffer is full.
    let head = [(CONTENT_TYPE, "application/x-ndjson"), (HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((head, Body::from_stream(lines)).into_response())
}

/// A deletion that is under way; dropping it stops it.
struct Running {
    deletion: Pin<Box<dyn Future<Output = Result<u64, Error>> + Send>>,
    progress: watch::Receiver<u64>,
    stopping: CancellationToken,
    deleted: u64,
    is_over: bool,
}

impl Running {
    fn new(deletion: DeletePrefix, stopping: CancellationToken) -> Self {
        let (sender, progress) = watch::channel(0);
        let report = move |deleted| {
            sender.send_replace(deleted);
        };
        let deletion = deletion.on_progress(report).into_future();
        Self { deletion, progress, stopping, deleted: 0, is_over: false }
    }

    /// What happened, as a line.
    fn line(&self, happened: Result<Progress, Error>) -> Progress {
        happened.unwrap_or_else(|error| Progress {
            deleted: self.deleted,
            is_complete: false,
            error: Some(problem(&error).detail),
        })
    }

    /// The first that happens, or that nothing did for some time.
    async fn first(&mut self) -> Result<Progress, Error> {
        let begun = Instant::now();
        loop {
            let next = self.next().await?;
            let is_news = next.deleted > 0 || next.is_complete || next.error.is_some();
            if is_news || begun.elapsed() >= FIRST_LINE_WITHIN {
                return Ok(next);
            }
        }
    }

    /// What happens next. Whoever reads slowly misses some, and never the last one.
    async fn next(&mut self) -> Result<Progress, Error> {
        let stopped = "the admin stops; delete the rest once it has started again";
        tokio::select! {
            biased;
            ended = &mut self.deletion => {
                self.deleted = *self.progress.borrow();
                self.deleted = ended?;
                Ok(Progress { deleted: self.deleted, is_complete: true, error: None })
            }
            Ok(()) = self.progress.changed() => {
                self.deleted = *self.progress.borrow_and_update();
                Ok(Progress { deleted: self.deleted, is_complete: false, error: None })
            }
            // Keys without the prefix may come before the next one that has it.
            () = sleep(LINE_EVERY) => Ok(Progress { deleted: self.deleted, is_complete: false, error: None }),
            () = self.stopping.cancelled() => {
                Ok(Progress { deleted: self.deleted, is_complete: false, error: Some(stopped.to_owned()) })
            }
        }
    }
}

impl Progress {
    fn text(&self) -> Bytes {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line.into()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_deletion_that_finds_nothing_for_long_goes_on_saying_so() {
        let (sender, progress) = watch::channel(0);
        let deletion = Box::pin(pending());
        let stopping = CancellationToken::new();
        let mut running = Running { deletion, progress, stopping, deleted: 0, is_over: false };
        let begun = Instant::now();
        let line = timeout(PATIENCE, running.first()).await.unwrap().unwrap();
        assert!(line.deleted == 0 && !line.is_complete && line.error.is_none(), "{line:?}");
        assert_eq!(begun.elapsed(), FIRST_LINE_WITHIN);
        for deleted in [0, 0, 3, 3] {
            if deleted > 0 {
                sender.send_replace(deleted);
            }
            let line = timeout(PATIENCE, running.next()).await.unwrap().unwrap();
            assert!(line.deleted == deleted && !line.is_complete && line.error.is_none(), "{line:?}");
        }
    }
}
