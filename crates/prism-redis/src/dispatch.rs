//! Serving those who wait for values of a list: one task for each list, which pops a value for one waiter after another.
//!
//! To wait for a value without taking it, the task moves the value at the left end to where it is (`BLMOVE` from a list to
//! itself), on a connection of its own: it blocks while the list is empty and changes nothing when it does not. So that
//! connection may be lost or closed at any moment, and the command be sent again. The value is then popped as any other is, on a
//! connection that does not block; somebody else may have been faster.
//!
//! ```text
//!            ┌──────────────── somebody enters, or the list has a value ────────────────┐
//!            ▼                                                                          │
//!   pop for the first waiter ──none──▶ BLMOVE, one second at a time ────────────────────┘
//!            │
//!            └──value──▶ hand it over ──not taken──▶ the next waiter at that end, or back to its end of the list
//! ```

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prism_plugin::list::End;
use prism_plugin::{Context, Error, ErrorReason};
use redis::{Value, cmd};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::{sleep, timeout};

use crate::answer::value;
use crate::command::{Command, Effect};
use crate::connection::Connection;
use crate::discover::discover_soon;
use crate::fault::Fault;
use crate::route::{Progress, follow, primary, run};
use crate::script::PUT_BACK;
use crate::shared::Shared;
use crate::waiters::Waiter;
use crate::worker::expected;

/// How long one `BLMOVE` blocks: after it, the server may be another one.
const BLOCK: Duration = Duration::from_secs(1);

/// How long its answer may take in all. A peer that takes longer is gone.
const BLOCK_ANSWER_MAX: Duration = Duration::from_secs(2);

/// How long it may take to connect.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// The pause before the list is looked at again when it cannot be watched, such as at the memory limit.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a list is watched after its last waiter has gone: the next one often comes soon, and saves connecting.
const LINGER: Duration = Duration::from_secs(1);

/// How long a value that nobody took is tried to be returned.
const RETURN_MAX: Duration = Duration::from_secs(60);

/// How a round ended.
enum Round {
    /// Somebody was served.
    Served,
    /// The list is empty, and somebody waits.
    Empty,
    /// Nobody waits.
    Nobody,
}

/// Serves those who wait for a list, until there are none.
pub(crate) async fn serve(shared: Arc<Shared>, list: String, arrival: Arc<Notify>) {
    let mut dispatch = Dispatch { shared, list, context: Context::default(), is_over: false };
    let mut watch = Watch::default();
    loop {
        match dispatch.serve_next().await {
            Round::Served => {}
            Round::Empty => {
                let woken = tokio::select! {
                    woken = watch.woken(&dispatch) => woken,
                    () = arrival.notified() => Ok(()),
                };
                if let Err(error) = woken {
                    dispatch.end_all(&error);
                }
            }
            Round::Nobody => {
                let came = watch.connection.is_some()
                    && dispatch.has_spare_connections()
                    && timeout(LINGER, arrival.notified()).await.is_ok();
                if !came && dispatch.shared.waiters.close_if_empty(&dispatch.list) {
                    dispatch.is_over = true;
                    return;
                }
            }
        }
    }
}

struct Dispatch {
    shared: Arc<Shared>,
    list: String,
    /// That of the calls that this task makes.
    context: Context,
    /// Whether the queue has been closed; the list may have another one by now.
    is_over: bool,
}

impl Drop for Dispatch {
    fn drop(&mut self) {
        // The task ended early, with its runtime.
        if !self.is_over {
            self.shared.waiters.close(&self.list);
        }
    }
}

impl Dispatch {
    /// Whether enough connections are left for lists that somebody will wait for.
    fn has_spare_connections(&self) -> bool {
        self.shared.waiters.connections.available_permits() > self.shared.settings.max_waiters / 4
    }

    /// Pops a value for the first waiter.
    async fn serve_next(&self) -> Round {
        let waiters = &self.shared.waiters;
        let Some(waiter) = waiters.next(&self.list, None) else { return Round::Nobody };
        let name = if waiter.end == End::Left { "LPOP" } else { "RPOP" };
        let command = Command::new(name, self.list.clone(), Effect::Write);
        let popped = run(&self.shared, &self.context, &command).await;
        match popped.and_then(|answer| value(answer).map_err(Error::from)) {
            Ok(Some(value)) => self.hand_over(waiter, value).await,
            Ok(None) if waiter.stays => {
                waiters.put_back(&self.list, waiter);
                waiters.take_out(&self.list, false).into_iter().for_each(|waiter| waiter.end(Ok(())));
                return Round::Empty;
            }
            Ok(None) => waiter.end(Ok(())),
            Err(error) => waiter.end(Err(error)),
        }
        Round::Served
    }

    /// Hands a value to a waiter, to the next one if that has gone, or back to the list.
    async fn hand_over(&self, waiter: Waiter, value: Bytes) {
        let end = waiter.end;
        let mut left = waiter.hand_over(value).await;
        while let Some(value) = left {
            left = match self.shared.waiters.next(&self.list, Some(end)) {
                Some(waiter) => waiter.hand_over(value).await,
                None => return self.put_back(end, &value).await,
            };
        }
    }

    /// Returns a value to the end that it came from, also at the memory limit.
    async fn put_back(&self, end: End, value: &[u8]) {
        let name = if end == End::Left { "LPUSH" } else { "RPUSH" };
        let command = Command::script(&PUT_BACK, self.list.clone(), Effect::Write).arg(name).value(value);
        let returned = timeout(RETURN_MAX, async {
            loop {
                match follow(&self.shared, &command, &Progress::default()).await {
                    // Sent again only if nothing was applied: a value must not come back twice.
                    Err(Fault::Unreachable(_) | Fault::Refused(_)) => sleep(PAUSE).await,
                    outcome => return outcome.map(drop),
                }
            }
        });
        let overdue = || Err(Fault::Lost(format!("the servers accept no write within {RETURN_MAX:?}")));
        if let Err(fault) = returned.await.unwrap_or_else(|_| overdue()) {
            tracing::error!(why = fault.words(), "a value that nobody took may not be back in its list");
        }
    }

    fn end_all(&self, error: &Error) {
        let all = self.shared.waiters.take_out(&self.list, true);
        all.into_iter().for_each(|waiter| waiter.end(Err(error.clone())));
    }
}

/// A `BLMOVE` that has been sent.
type Blocked = Pin<Box<dyn Future<Output = Result<Value, Fault>> + Send>>;

/// The connection on which a list is watched.
#[derive(Default)]
struct Watch {
    connection: Option<(Arc<Connection>, OwnedSemaphorePermit)>,
    blocked: Option<Blocked>,
}

impl Watch {
    /// Waits until it is worth looking at the list: it has a value, or a second has passed. May be dropped at any await.
    ///
    /// # Errors
    /// The list cannot be watched; nothing was applied.
    async fn woken(&mut self, dispatch: &Dispatch) -> Result<(), Error> {
        if self.blocked.is_none() {
            let connection = self.connection(dispatch).await?;
            let mut command = cmd("BLMOVE");
            command.arg(&dispatch.list).arg(&dispatch.list).arg("LEFT").arg("LEFT").arg(BLOCK.as_secs());
            self.blocked = Some(Box::pin(async move {
                let answered = timeout(BLOCK_ANSWER_MAX, connection.send(&command)).await;
                let silent = || Fault::Lost(format!("{} did not answer in time", connection.node));
                answered.unwrap_or_else(|_| Err(silent())).and_then(Fault::of)
            }));
        }
        let answer = match &mut self.blocked {
            Some(blocked) => blocked.await,
            None => return Ok(()),
        };
        self.blocked = None;
        let Err(fault) = answer else { return Ok(()) };
        if fault.suggests_failover() {
            discover_soon(&dispatch.shared);
        }
        match fault.code() {
            // Nothing can be pushed at the memory limit, and slots on their way are popped from where they are.
            Some("OOM" | "UNBLOCKED" | "MOVED" | "ASK" | "TRYAGAIN") => {}
            Some(_) => return Err(fault.into()),
            None => self.connection = None,
        }
        sleep(PAUSE).await;
        Ok(())
    }

    /// The connection to the primary of the list.
    async fn connection(&mut self, dispatch: &Dispatch) -> Result<Arc<Connection>, Error> {
        let Dispatch { shared, list, .. } = dispatch;
        let node = primary(shared, list.as_bytes()).await?;
        if let Some((connection, _)) = &self.connection
            && connection.node == node.address
            && !connection.is_closed()
        {
            return Ok(Arc::clone(connection));
        }
        let permit = match self.connection.take() {
            Some((_, permit)) => permit,
            None => Arc::clone(&shared.waiters.connections)
                .try_acquire_owned()
                .map_err(|_| too_many(shared.settings.max_waiters))?,
        };
        let expected = expected(&shared.settings);
        let opened = Connection::open(&shared.settings, &node.address, expected, CONNECT_MAX, || ()).await;
        let connection = Arc::new(opened.map_err(Fault::Unreachable)?);
        self.connection = Some((Arc::clone(&connection), permit));
        Ok(connection)
    }
}

fn too_many(max: usize) -> Error {
    let why = format!(
        "{max} lists are waited for already, each on a connection of its own; use wait_millis 0, or raise max_waiters"
    );
    Error::new(ErrorReason::TooManyInFlight, why).with("limit", max.to_string())
}
