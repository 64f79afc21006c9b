//! Writes that wait for replicas.
//!
//! `WAIT` blocks the connection that it is sent on, so these writes have a connection of their own, and one `WAIT` covers
//! all that travel together: while a batch waits, the next one gathers. It is sent to the primary of the key and counts
//! the replicas that have everything this connection wrote.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::answer::number;
use crate::command::Command;
use crate::config::Durability;
use crate::fault::Fault;
use crate::link::Link;
use crate::resp::{Cmd, Value, cmd};

/// How many writes travel together at most.
const BATCH: usize = 256;

/// A write and where its answer goes.
struct Write {
    command: Cmd,
    /// Whether the slot is on its way to this server.
    asking: bool,
    answer: oneshot::Sender<Result<Value, Fault>>,
}

/// The writes to one server that wait for replicas.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Inner>);

struct Inner {
    link: Arc<Link>,
    durability: Durability,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    writes: VecDeque<Write>,
    /// Whether a task sends them; it ends when there are none left.
    is_served: bool,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("durability", &self.0.durability).finish_non_exhaustive()
    }
}

impl Writer {
    pub(crate) fn new(link: Arc<Link>, durability: Durability) -> Self {
        Self(Arc::new(Inner { link, durability, queue: Mutex::default() }))
    }

    /// Sends a write and waits for its answer and for the replicas. A write whose caller has gone before it is sent is
    /// skipped.
    pub(crate) async fn send(&self, command: Cmd, asking: bool) -> Result<Value, Fault> {
        let mut outcomes = self.outcomes([command], asking).await;
        outcomes.pop().unwrap_or(Err(Fault::Unexpected))
    }

    /// The same for many, in order. Scripts that the server does not know are sent again in full.
    pub(crate) async fn send_all(&self, commands: &[&Command]) -> Vec<Result<Value, Fault>> {
        let sent = commands.iter().map(|command| command.command.clone());
        let mut outcomes = self.outcomes(sent, false).await;
        for (outcome, command) in outcomes.iter_mut().zip(commands) {
            if let Err(fault) = outcome
                && fault.is(&["NOSCRIPT"])
                && let Some(in_full) = command.in_full()
            {
                *outcome = self.send(in_full, false).await;
            }
        }
        outcomes
    }

    /// Queues writes, one behind the other, and waits for what each came to.
    async fn outcomes(
        &self,
        commands: impl IntoIterator<Item = Cmd>,
        asking: bool,
    ) -> Vec<Result<Value, Fault>> {
        let mut answers = Vec::new();
        let begins = {
            let mut queue = self.0.queue();
            for command in commands {
                let (answer, answered) = oneshot::channel();
                queue.writes.push_back(Write { command, asking, answer });
                answers.push(answered);
            }
            !std::mem::replace(&mut queue.is_served, true)
        };
        if begins {
            tokio::spawn(serve(Arc::clone(&self.0)));
        }
        let lost = |_| Err(Fault::Lost("the worker stopped before the answer".to_owned()));
        let mut outcomes = Vec::with_capacity(answers.len());
        for answered in answers {
            outcomes.push(answered.await.unwrap_or_else(lost));
        }
        outcomes
    }

    pub(crate) fn close(&self) {
        self.0.link.close();
    }
}

impl Inner {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next writes that somebody still waits for; `None` if there are none, and then nobody serves the queue.
    fn next_batch(&self) -> Option<Vec<Write>> {
        let mut queue = self.queue();
        let mut batch = Vec::new();
        while batch.len() < BATCH {
            match queue.writes.pop_front() {
                Some(write) if write.answer.is_closed() => {}
                Some(write) => batch.push(write),
                None => break,
            }
        }
        queue.is_served = !batch.is_empty();
        (!batch.is_empty()).then_some(batch)
    }
}

/// Lets the queue be served again if the task that serves it ends early, with its runtime.
struct Serving(Option<Arc<Inner>>);

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(inner) = &self.0 {
            inner.queue().is_served = false;
        }
    }
}

async fn serve(inner: Arc<Inner>) {
    let mut serving = Serving(Some(Arc::clone(&inner)));
    while let Some(batch) = inner.next_batch() {
        send(&inner, batch).await;
    }
    serving.0 = None;
}

async fn send(inner: &Inner, batch: Vec<Write>) {
    let connection = match inner.link.connection().await {
        Ok(connection) => connection,
        Err(fault) => return fail(batch, &fault),
    };
    let Durability { replicas, timeout } = inner.durability;
    let asking = cmd("ASKING");
    let waiting = cmd("WAIT").arg(replicas).arg(timeout.as_millis().to_string());
    let writes =
        batch.iter().flat_map(|write| write.asking.then_some(&asking).into_iter().chain([&write.command]));
    let commands: Vec<&Cmd> = writes.chain([&waiting]).collect();
    let mut answers = match connection.send_all(&commands).await {
        Ok(answers) => answers.into_iter(),
        Err(fault) => return fail(batch, &fault),
    };
    // A refused WAIT has counted nobody.
    let reached = answers.next_back().and_then(|answer| number(&answer).ok()).unwrap_or(0);
    for write in batch {
        if write.asking {
            let _asked = answers.next();
        }
        let answer = answers.next().ok_or(Fault::Unexpected).and_then(Fault::of);
        let answer = match answer {
            Ok(_) if reached < u64::from(replicas) => {
                Err(Fault::NotReplicated { reached, required: replicas })
            }
            answer => answer,
        };
        let _ = write.answer.send(answer);
    }
}

fn fail(batch: Vec<Write>, fault: &Fault) {
    for write in batch {
        let _ = write.answer.send(Err(fault.clone()));
    }
}
