//! Sending a command to the server that has its key.
//!
//! A command is sent again only if the server refused it unseen: MOVED, ASK, TRYAGAIN, and a script that it does not know. All
//! else is the caller's to decide.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prism_plugin::{Context, Error, ErrorReason};
use tokio::time::timeout_at;

use crate::address::NodeAddress;
use crate::command::{Command, Effect};
use crate::discover::{discover, discover_soon};
use crate::fault::Fault;
use crate::names::slot;
use crate::progress::{Progress, limit};
use crate::record::{Manner, Record};
use crate::resp::{Cmd, Value};
use crate::shared::Shared;
use crate::topology::Topology;
use crate::worker::Node;

/// How often a command is sent again.
const REDIRECTIONS_MAX: usize = 8;

/// How long a slot on its way is given before a command is sent again: twice as long each time, up to the maximum. Half of each is random,
/// so that calls which were refused together do not come back together.
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// Works on a call until its deadline.
///
/// # Errors
/// That of the work, or that the time is over and whether anything was sent.
pub(crate) async fn within<T>(
    context: &Context,
    progress: &Progress,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Error> {
    match timeout_at(limit(context), work).await {
        Ok(done) => done.map_err(Error::from),
        Err(_) => Err(progress.overdue(context)),
    }
}

/// Sends a command, and waits for its answer until the call's deadline. A write of a call under an idempotency key is one step with the
/// record of its answer; if there is a record already, that is the answer.
///
/// # Errors
/// The server refused it, or there is no answer: see [`Fault`]. DEADLINE_EXCEEDED says whether it was sent.
pub(crate) async fn run(shared: &Arc<Shared>, context: &Context, command: &Command) -> Result<Value, Error> {
    Ok(attempt(shared, context, command).await??)
}

/// The same for a command some of whose refusals have a meaning.
///
/// # Errors
/// DEADLINE_EXCEEDED, which says whether it was sent, or the same of a call without a deadline.
pub(crate) async fn attempt(
    shared: &Arc<Shared>,
    context: &Context,
    command: &Command,
) -> Result<Result<Value, Fault>, Error> {
    let attempt = context.attempt().filter(|_| command.effect == Effect::Write);
    let recorded = attempt.map(|attempt| {
        let record = Record::of(&shared.companions, attempt, &command.key);
        command.recorded(&record, Manner::Kept)
    });
    let command = recorded.as_ref().unwrap_or(command);
    send_in_time(shared, context, command).await
}

/// The same for a command as it is.
///
/// # Errors
/// DEADLINE_EXCEEDED, which says whether it was sent, or the same of a call without a deadline.
pub(crate) async fn send_in_time(
    shared: &Arc<Shared>,
    context: &Context,
    command: &Command,
) -> Result<Result<Value, Fault>, Error> {
    send_with(shared, context, command, &Progress::of(context)).await
}

/// The same, and tells others how far it has come.
///
/// # Errors
/// DEADLINE_EXCEEDED, which says whether it was sent, or the same of a call without a deadline.
pub(crate) async fn send_with(
    shared: &Arc<Shared>,
    context: &Context,
    command: &Command,
    progress: &Progress,
) -> Result<Result<Value, Fault>, Error> {
    let work = async { Ok(follow(shared, command, progress).await) };
    let outcome = within(context, progress, work).await;
    if matches!(&outcome, Err(error) if error.reason == ErrorReason::DeadlineExceeded) {
        // A server that is silent may have been replaced.
        discover_soon(shared);
    }
    outcome
}

/// Sends a command to the primary of its key, and on to whom that names.
pub(crate) async fn follow(
    shared: &Arc<Shared>,
    command: &Command,
    progress: &Progress,
) -> Result<Value, Fault> {
    let mut node = primary(shared, command.key.as_bytes()).await?;
    let mut asking = false;
    let mut in_full = None;
    let mut left = REDIRECTIONS_MAX;
    let mut pause = PAUSE_MIN;
    loop {
        let fault = match send(&node, command, in_full.as_ref(), asking, progress).await.and_then(Fault::of) {
            Ok(answer) => return Ok(answer),
            Err(fault) => fault,
        };
        if in_full.is_none() && fault.is(&["NOSCRIPT"]) {
            in_full = command.in_full();
            if in_full.is_some() {
                progress.refused(&fault);
                continue;
            }
        }
        if fault.suggests_failover() {
            discover_soon(shared);
        }
        let next = redirection(shared, &fault, &node.address);
        let next = next.filter(|next| command.awaits_slot || !matches!(next, Next::Later));
        // A slot on its way arrives: waiting for it ends with the call.
        if !matches!(next, Some(Next::Later)) {
            left -= 1;
        }
        let next = next.filter(|_| left > 0);
        shared.counters.redirections.fetch_add(u64::from(next.is_some()), Ordering::Relaxed);
        let Some(next) = next else { return Err(fault) };
        progress.refused(&fault);
        match next {
            Next::Node(next, ask) => (node, asking) = (next, ask),
            Next::Later => {
                progress.pause(pause / 2 + pause.mul_f64(fastrand::f64() / 2.0)).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// Where a refused command goes next.
enum Next {
    /// To a node, which may have to be told that the slot is not its own yet.
    Node(Arc<Node>, bool),
    /// To the same node, later.
    Later,
}

fn redirection(shared: &Shared, fault: &Fault, origin: &NodeAddress) -> Option<Next> {
    let Fault::Refused(refusal) = fault else { return None };
    if fault.is_elsewhere() {
        return Some(Next::Later);
    }
    let asking = match refusal.code() {
        "MOVED" => false,
        "ASK" => true,
        "TRYAGAIN" => return Some(Next::Later),
        _ => return None,
    };
    // SLOT HOST:PORT
    let target = refusal.details().split_ascii_whitespace().nth(1)?;
    let target = NodeAddress::redirected(target, origin)?;
    Some(Next::Node(shared.worker().node(&target), asking))
}

/// Sends a command, or its script in full.
async fn send(
    node: &Node,
    command: &Command,
    in_full: Option<&Cmd>,
    asking: bool,
    progress: &Progress,
) -> Result<Value, Fault> {
    if command.effect == Effect::Write
        && let Some(writer) = node.writer()
    {
        progress.sending(None);
        return writer.send(in_full.unwrap_or(&command.command).clone(), asking).await;
    }
    let connection = node.link(command.lane).connection().await?;
    progress.sending(Some(&connection));
    let sent = in_full.unwrap_or_else(|| command.to(&connection.greeting));
    match asking {
        true => connection.send_asking(sent).await,
        false => connection.send(sent).await,
    }
}

/// The primary of a Redis key, asked for if it is not known.
pub(crate) async fn primary(shared: &Arc<Shared>, key: &[u8]) -> Result<Arc<Node>, Fault> {
    let topology = topology(shared).await?;
    let owner = topology.owner(if topology.is_single() { 0 } else { slot(key) });
    match owner {
        Some(owner) => Ok(shared.worker().node(owner)),
        None => {
            discover_soon(shared);
            Err(Fault::Unreachable("no node of the cluster serves the key's slot".to_owned()))
        }
    }
}

/// The topology in force, asked for if there is none.
pub(crate) async fn topology(shared: &Arc<Shared>) -> Result<Arc<Topology>, Fault> {
    match shared.topology.load_full() {
        Some(topology) => Ok(topology),
        None => discover(shared).await,
    }
}
