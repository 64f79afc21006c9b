//! A connection that is made when it is first needed, and made again when it is lost.
//!
//! ```text
//! Idle ──first call──▶ Connecting ──made──▶ Ready ──lost──▶ Connecting …
//!                      │  ▲
//!                      └──┘ failed: again after a pause of at most 1 s
//! ```
//!
//! Calls wait for the first attempt. Once one has failed, calls fail at once until a later one succeeds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::address::NodeAddress;
use crate::config::Settings;
use crate::connection::Connection;
use crate::fault::Fault;
use crate::greeting::Expected;

/// How long an attempt may take; a call waits no longer than its deadline.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// The pause after the first failed attempt; it doubles up to the maximum. Half of each is random, so that the workers of
/// many processes do not come back at the same moment.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How long a connection must have lasted to be replaced at once when it is lost.
const LASTING: Duration = Duration::from_secs(1);

/// A connection to one server that comes back. It lives on the worker on which it is used.
#[derive(Debug)]
pub(crate) struct Link {
    settings: Arc<Settings>,
    node: NodeAddress,
    expected: Expected,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Idle,
    /// The task that connects holds the sender; without it, the task ended with its runtime.
    Connecting(watch::Receiver<Attempts>),
    Ready(Arc<Connection>),
    /// Nobody uses the server any more.
    Closed,
}

/// How the attempts to connect have gone.
#[derive(Clone, Debug)]
enum Attempts {
    /// The first is under way.
    First,
    /// The last one failed.
    Failed(Arc<str>),
}

impl Link {
    pub(crate) fn new(settings: &Arc<Settings>, node: &NodeAddress, expected: Expected) -> Arc<Self> {
        let state = Mutex::new(State::Idle);
        Arc::new(Self { settings: Arc::clone(settings), node: node.clone(), expected, state })
    }

    /// The connection, once it is made.
    ///
    /// # Errors
    /// The last attempt failed.
    pub(crate) async fn connection(self: &Arc<Self>) -> Result<Arc<Connection>, Fault> {
        loop {
            let mut attempts = match self.look() {
                Ok(connection) => return Ok(connection),
                Err(attempts) => attempts,
            };
            loop {
                if let Attempts::Failed(why) = &*attempts.borrow() {
                    return Err(Fault::Unreachable(why.to_string()));
                }
                // It ends when the connection is made.
                if attempts.changed().await.is_err() {
                    break;
                }
            }
        }
    }

    /// Ends the connection for good.
    pub(crate) fn close(&self) {
        if let State::Ready(connection) = std::mem::replace(&mut *self.state(), State::Closed) {
            connection.close();
        }
    }

    /// The connection, or the attempts to make it.
    fn look(self: &Arc<Self>) -> Result<Arc<Connection>, watch::Receiver<Attempts>> {
        let mut state = self.state();
        match &*state {
            State::Ready(connection) if !connection.is_closed() => return Ok(Arc::clone(connection)),
            State::Connecting(attempts) if attempts.has_changed().is_ok() => return Err(attempts.clone()),
            State::Closed => {
                let why = format!("{} does not serve this any more", self.node);
                return Err(watch::channel(Attempts::Failed(why.into())).1);
            }
            _ => {}
        }
        let (told, attempts) = watch::channel(Attempts::First);
        tokio::spawn(connect(Arc::downgrade(self), told));
        *state = State::Connecting(attempts.clone());
        Err(attempts)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.close();
    }
}

/// Attempts to connect until it succeeds or nobody has the link any more.
async fn connect(link: Weak<Link>, attempts: watch::Sender<Attempts>) {
    let mut pause = PAUSE_MIN;
    loop {
        let Some(this) = link.upgrade() else { return };
        let again = link.clone();
        let begun = Instant::now();
        let lost = move || {
            // The next connection is made before it is needed; that to a server which keeps closing them is not.
            if let Some(link) = again.upgrade().filter(|_| begun.elapsed() >= LASTING)
                && !matches!(*link.state(), State::Closed)
            {
                tracing::debug!(node = %link.node, "the connection was lost");
                let _ = link.look();
            }
        };
        match Connection::open(&this.settings, &this.node, this.expected, CONNECT_MAX, lost).await {
            Ok(connection) => {
                let mut state = this.state();
                if !matches!(*state, State::Closed) {
                    *state = State::Ready(Arc::new(connection));
                }
                return;
            }
            Err(why) => {
                if matches!(*this.state(), State::Closed) {
                    return;
                }
                attempts.send_replace(Attempts::Failed(why.into()));
            }
        }
        drop(this);
        sleep(pause / 2 + pause.mul_f64(fastrand::f64() / 2.0)).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}
