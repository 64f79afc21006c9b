//! Commands for many keys, each for itself: together to each server that has some of them, in the order given.
//!
//! As elsewhere, a command is sent again only if the server refused it unseen. In a cluster, commands for
//! one key never travel together, so that a redirection does not change their order.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::join_all;
use prism_plugin::{Context, Error};

use crate::command::{Command, Effect};
use crate::connection::Connection;
use crate::fault::Fault;
use crate::lane::Lane;
use crate::progress::Progress;
use crate::resp::{Cmd, Value};
use crate::route::{primary, run, topology, within};
use crate::shared::Shared;
use crate::worker::Node;

/// What a command takes besides its key and value, for the choice of a lane.
const OVERHEAD_BYTES: usize = 64;

/// What a command came to: an answer, or why there is none.
type Outcome = Result<Value, Error>;

/// Sends commands and returns the answer of each.
pub(crate) async fn run_each(shared: &Arc<Shared>, context: &Context, commands: &[Command]) -> Vec<Outcome> {
    let is_single = match within(context, &Progress::default(), topology(shared)).await {
        Ok(topology) => topology.is_single(),
        Err(error) => return commands.iter().map(|_| Err(error.clone())).collect(),
    };
    let mut outcomes = Vec::with_capacity(commands.len());
    let mut left = commands;
    while !left.is_empty() {
        let (now, later) = left.split_at(if is_single { left.len() } else { distinct(left) });
        outcomes.extend(run_together(shared, context, now).await);
        left = later;
    }
    outcomes
}

/// How many of the first commands have keys that differ.
fn distinct(commands: &[Command]) -> usize {
    let mut keys = HashSet::new();
    commands.iter().take_while(|command| keys.insert(command.key.as_str())).count()
}

/// The commands for one server, by their places among all.
struct Group {
    node: Arc<Node>,
    places: Vec<usize>,
}

async fn run_together(shared: &Arc<Shared>, context: &Context, commands: &[Command]) -> Vec<Outcome> {
    let mut outcomes: Vec<Option<Outcome>> = commands.iter().map(|_| None).collect();
    let mut groups: Vec<Group> = Vec::new();
    for (place, command) in commands.iter().enumerate() {
        match within(context, &Progress::default(), primary(shared, command.key.as_bytes())).await {
            Err(error) => outcomes[place] = Some(Err(error)),
            Ok(node) => match groups.iter_mut().find(|group| Arc::ptr_eq(&group.node, &node)) {
                Some(group) => group.places.push(place),
                None => groups.push(Group { node, places: vec![place] }),
            },
        }
    }
    let sent = groups.iter().map(|Group { node, places }| async move {
        let commands: Vec<_> = places.iter().map(|place| &commands[*place]).collect();
        send_group(context, node, &commands).await
    });
    let answered = join_all(sent).await;
    for (place, outcome) in
        groups.iter().zip(answered).flat_map(|(group, sent)| group.places.iter().zip(sent))
    {
        outcomes[*place] = Some(match outcome {
            // Only these were refused unseen because of where they went.
            Err(Failure::Command(fault)) if is_redirected(&fault) => {
                run(shared, context, &commands[*place]).await
            }
            Err(Failure::Command(fault)) => Err(fault.into()),
            Err(Failure::Call(error)) => Err(error),
            Ok(answer) => Ok(answer),
        });
    }
    let lost = || Err(Fault::Unexpected.into());
    outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(lost)).collect()
}

fn is_redirected(fault: &Fault) -> bool {
    fault.is(&["ASK", "MOVED", "TRYAGAIN"])
}

/// Why a command of a group has no answer.
enum Failure {
    /// It failed by itself.
    Command(Fault),
    /// The time was over for all.
    Call(Error),
}

async fn send_group(context: &Context, node: &Node, commands: &[&Command]) -> Vec<Result<Value, Failure>> {
    let progress = Progress::default();
    let sent = async {
        match node.writer() {
            Some(writer) if commands.iter().any(|command| command.effect == Effect::Write) => {
                progress.sending(None);
                Ok(writer.send_all(commands).await)
            }
            _ => {
                let connection = node.link(lane(commands)).connection().await?;
                progress.sending(Some(&connection));
                send_together(&connection, commands).await
            }
        }
    };
    match within(context, &progress, sent).await {
        Ok(outcomes) => outcomes.into_iter().map(|outcome| outcome.map_err(Failure::Command)).collect(),
        Err(error) => commands.iter().map(|_| Err(Failure::Call(error.clone()))).collect(),
    }
}

/// One lane for all, because lanes do not keep the order.
fn lane(commands: &[&Command]) -> Lane {
    let bytes = commands.iter().map(|command| command.bytes() + OVERHEAD_BYTES).sum();
    commands.iter().map(|command| command.lane).max().unwrap_or(Lane::Small).max(Lane::of(bytes))
}

/// Sends commands together on one connection and returns the answer of each. Scripts that the server does not know are sent
/// again in full.
pub(crate) async fn send_together(
    connection: &Connection,
    commands: &[&Command],
) -> Result<Vec<Result<Value, Fault>>, Fault> {
    let sent: Vec<&Cmd> = commands.iter().map(|command| &command.command).collect();
    let answers = connection.send_all(&sent).await?;
    let mut outcomes: Vec<_> = answers.into_iter().map(Fault::of).collect();
    let is_unknown =
        |outcome: &Result<Value, Fault>| outcome.as_ref().is_err_and(|fault| fault.is(&["NOSCRIPT"]));
    let places: Vec<_> = (0..outcomes.len()).filter(|place| is_unknown(&outcomes[*place])).collect();
    if places.is_empty() {
        return Ok(outcomes);
    }
    let in_full: Vec<_> = places.iter().filter_map(|place| commands.get(*place)?.in_full()).collect();
    match connection.send_all(&in_full).await {
        Ok(answers) => {
            places.into_iter().zip(answers).for_each(|(place, answer)| outcomes[place] = Fault::of(answer));
        }
        // The others have their answers.
        Err(fault) => places.into_iter().for_each(|place| outcomes[place] = Err(fault.clone())),
    }
    Ok(outcomes)
}
