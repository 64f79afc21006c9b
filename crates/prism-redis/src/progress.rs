//! How far a call has come: what is known about it when its time is over.

use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prism_grpc::head;
use prism_plugin::{Context, Error};
use tokio::time::{Instant, sleep};

use crate::connection::Connection;
use crate::fault::Fault;

/// How long a call without a deadline may take.
const CALL_MAX: Duration = Duration::from_secs(30);

/// How long before its time is over a call sends nothing again, so that what it sends is answered in time.
const ANSWER_MAX: Duration = Duration::from_millis(50);

/// From which waiting time on a connection is suspected to be dead.
const SUSPICIOUS: Duration = Duration::from_secs(1);

/// How far a call has come.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    stage: Mutex<Stage>,
    /// When its time is over, if that is known.
    limit: Option<Instant>,
}

#[derive(Debug, Default)]
enum Stage {
    /// Nothing was sent.
    #[default]
    Idle,
    /// A server may have acted on it: one on this connection, or on one that is not known here.
    Sent { connection: Option<Arc<Connection>>, at: Instant },
    /// The server has refused it unseen.
    Refused(Fault),
}

impl Progress {
    /// That of a call which ends with its context, at the latest.
    pub(crate) fn of(context: &Context) -> Self {
        Self { stage: Mutex::default(), limit: Some(limit(context)) }
    }

    /// Records that something is sent: on `connection`, or on one that is not known here.
    pub(crate) fn sending(&self, connection: Option<&Arc<Connection>>) {
        self.set(Stage::Sent { connection: connection.cloned(), at: Instant::now() });
    }

    /// Records that what was sent has not been acted on, and may be sent again.
    pub(crate) fn refused(&self, fault: &Fault) {
        self.set(Stage::Refused(fault.clone()));
    }

    fn set(&self, stage: Stage) {
        *self.stage() = stage;
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits before something is sent again: until the call's time is over if its answer could not come before, and so for ever.
    pub(crate) async fn pause(&self, pause: Duration) {
        match self.limit {
            Some(limit) if Instant::now() + pause + ANSWER_MAX > limit => pending().await,
            _ => sleep(pause).await,
        }
    }

    /// The error of a call whose time is over.
    pub(crate) fn overdue(&self, context: &Context) -> Error {
        let stage = self.stage();
        if let Stage::Sent { connection: Some(connection), at } = &*stage
            && at.elapsed() >= SUSPICIOUS
        {
            connection.suspect();
        }
        match (context.deadline(), &*stage) {
            (Some(_), stage) => head::deadline_exceeded(matches!(stage, Stage::Sent { .. })),
            (None, Stage::Sent { .. }) => {
                Fault::Lost(format!("the server did not answer within {CALL_MAX:?}")).into()
            }
            (None, Stage::Refused(fault)) => fault.clone().into(),
            (None, Stage::Idle) => {
                Fault::Unreachable(format!("there was no connection within {CALL_MAX:?}")).into()
            }
        }
    }
}

/// When a call must have ended.
pub(crate) fn limit(context: &Context) -> Instant {
    context.deadline().unwrap_or_else(|| Instant::now() + CALL_MAX)
}
