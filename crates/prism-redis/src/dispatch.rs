//! Serving those who wait for values of a list: one task for each list, which pops a value for one waiter after another.
//!
//! To wait for a value without taking it, the task moves the value at the left end to where it is (`BLMOVE` from a list to
//! itself), on a connection of its own: it blocks while the list is empty and changes nothing when it does not. So that
//! connection may be lost or closed at any moment, and the command be sent again. The value is then popped or reserved as any other is, on a
//! connection that does not block; somebody else may have been faster.
//!
//! ```text
//!            ┌──────────────── somebody enters, or the list has a value ────────────────┐
//!            ▼                                                                          │
//!   take for the first waiter ──none──▶ BLMOVE, one second at a time ───────────────────┘
//!            │
//!            └──value──▶ hand it over ──not taken──▶ undo: back to its end of the list
//! ```
//!
//! What is taken is on record until it has been handed over (see `taking`), and so can be undone: also by a process that stops before it
//! knows what it has taken, and not if a repetition of the call has been answered with it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use prism_plugin::{Applied, Context, Error, ErrorReason};
use tokio::runtime::Builder;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::{sleep, timeout, timeout_at};

use crate::answer::{is_again, is_nothing};
use crate::command::Command;
use crate::connection::Connection;
use crate::discover::discover_soon;
use crate::fault::Fault;
use crate::progress::Progress;
use crate::resp::{Value, cmd};
use crate::route::{follow, primary, send_with};
use crate::shared::Shared;
use crate::taking::{RETURN_MAX, Taking};
use crate::waiters::{InHand, Waiter};
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

/// How long the return of a value that nobody took may hold up the end of a process.
const FAREWELL_MAX: Duration = Duration::from_secs(2);

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
    let mut dispatch = Dispatch::new(shared, list);
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
    /// What is being taken for a waiter, or has been.
    taking: Option<InProgress>,
    /// Whether the queue has been closed; the list may have another one by now.
    is_over: bool,
}

/// A taking whose outcome is not known to its waiter yet.
struct InProgress {
    taking: Arc<Taking>,
    /// What has been taken, once that is known.
    in_hand: Option<InHand>,
}

impl Drop for Dispatch {
    fn drop(&mut self) {
        // The task ended early, with its runtime.
        if !self.is_over {
            self.shared.waiters.close(&self.list);
        }
        if let Some(InProgress { taking, in_hand }) = self.taking.take()
            // Nobody knows what has not been answered, and nobody has it.
            && in_hand.is_none_or(|in_hand| in_hand.take().is_some())
        {
            undo_elsewhere(&self.shared, &taking.undo);
        }
    }
}

impl Dispatch {
    fn new(shared: Arc<Shared>, list: String) -> Self {
        Self { shared, list, context: Context::default(), taking: None, is_over: false }
    }

    /// Whether enough connections are left for lists that somebody will wait for.
    fn has_spare_connections(&self) -> bool {
        self.shared.waiters.connections.available_permits() > self.shared.settings.max_waiters / 4
    }

    /// Takes something for the first waiter.
    async fn serve_next(&mut self) -> Round {
        let shared = Arc::clone(&self.shared);
        let waiters = &shared.waiters;
        let Some(waiter) = waiters.next(&self.list) else { return Round::Nobody };
        let is_repeated = waiter.wish.record.is_some();
        let taking = Arc::new(Taking::of(&shared.companions, &waiter.wish));
        self.taking = Some(InProgress { taking: Arc::clone(&taking), in_hand: None });
        match self.take(&taking.take, &waiter.progress).await {
            Ok(Some(nothing)) if is_nothing(&nothing) => {
                // On record as the answer to this call.
                self.taking = None;
                waiter.end(Ok(()));
            }
            Ok(Some(value)) => self.hand_over(&taking, waiter, value).await,
            Ok(None) => {
                self.taking = None;
                if waiter.wish.stays {
                    waiters.put_back(&self.list, waiter);
                    let leaving = waiters.take_out(&self.list, false);
                    leaving.into_iter().for_each(|waiter| waiter.end(Ok(())));
                    return Round::Empty;
                }
                waiter.end(Ok(()));
            }
            Err(error) => {
                // What may have been taken returns, unless the caller repeats the call.
                let may_be_taken = error.fact("applied") == Some(Applied::Maybe.as_str())
                    && (!is_repeated || waiter.is_gone());
                waiter.end(Err(error));
                if may_be_taken {
                    self.undo(&taking).await;
                }
                self.taking = None;
            }
        }
        Round::Served
    }

    /// Takes what a command finds; `None` if there is nothing.
    async fn take(&self, command: &Command, progress: &Progress) -> Result<Option<Value>, Error> {
        loop {
            match send_with(&self.shared, &self.context, command, progress).await?? {
                Value::Nil => return Ok(None),
                again if is_again(&again) => {}
                taken => return Ok(Some(taken)),
            }
        }
    }

    /// Hands over what was taken, or returns it if its waiter has gone.
    async fn hand_over(&mut self, taking: &Arc<Taking>, waiter: Waiter, value: Value) {
        let in_hand = InHand::new(value);
        self.taking = Some(InProgress { taking: Arc::clone(taking), in_hand: Some(in_hand.clone()) });
        waiter.hand_over(in_hand.clone()).await;
        if in_hand.take().is_some() {
            // For as long as this takes, it is in hand again.
            self.taking = Some(InProgress { taking: Arc::clone(taking), in_hand: None });
            self.undo(taking).await;
        } else {
            self.close(taking);
        }
        self.taking = None;
    }

    /// Says that a value has been given, so that its record does not keep it for two minutes, or may be freed.
    fn close(&self, taking: &Arc<Taking>) {
        let (shared, taking) = (Arc::clone(&self.shared), Arc::clone(taking));
        tokio::spawn(async move {
            if let Err(fault) = follow(&shared, &taking.close, &Progress::default()).await {
                tracing::debug!(why = fault.words(), "the record of a value that was taken ends by itself");
            }
        });
    }

    /// Returns what was taken to the end that it came from, also at the memory limit.
    async fn undo(&self, taking: &Taking) {
        let returned = timeout_at(taking.begun + RETURN_MAX, async {
            loop {
                match follow(&self.shared, &taking.undo, &Progress::default()).await {
                    // Sent twice, it has an effect once.
                    Err(Fault::Unreachable(_) | Fault::Refused(_) | Fault::Lost(_)) => sleep(PAUSE).await,
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

/// Returns what was taken while the runtime ends: on a thread and a connection of its own, because those of the runtime end with it.
fn undo_elsewhere(shared: &Arc<Shared>, undo: &Command) {
    let undone = std::thread::scope(|scope| {
        let undone = scope.spawn(|| {
            let runtime =
                Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
            runtime.block_on(async {
                let undone = timeout(FAREWELL_MAX, follow(shared, undo, &Progress::default())).await;
                let overdue = || Err(Fault::Lost(format!("there was no answer within {FAREWELL_MAX:?}")));
                undone.unwrap_or_else(|_| overdue()).map(drop).map_err(|fault| fault.words())
            })
        });
        undone.join().unwrap_or_else(|_| Err("the thread for it has ended early".to_owned()))
    });
    if let Err(why) = undone {
        tracing::error!(why, "a value that nobody took may not be back in its list");
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
            let command = cmd("BLMOVE").arg(&dispatch.list).arg(&dispatch.list);
            let command = command.arg("LEFT").arg("LEFT").arg(BLOCK.as_secs());
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
