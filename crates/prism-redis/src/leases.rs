//! Returning the values of leases that have ended on lists that nobody looks at.
//!
//! Each slot has an index of its lists by when their first lease ends, which the scripts keep. In one place there is an index of the slots by
//! when each is to be looked at next, so that every process finds all leases, whoever made them, and looks at no slot before it must.
//!
//! ```text
//!             announced              looked at: nothing has ended
//!  (no leases) ───────▶ to be looked at ─────────▶ postponed: until its first lease ends, or one could that is being made
//!       ▲                     ▲   │                    │   │
//!       │                     └───┼────its time comes──┘   │ it has none, and none is being made
//!       │                         ▼                        │
//!       │               values return, again next time     │
//!       └──────────────────────────────────────────────────┘
//! ```
//!
//! A lease is announced before it is made, and then not again for a while. So a slot without leases may get one at any moment: none that
//! is shorter than what was announced.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use prism_plugin::{Context, Error};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::answer::{array, parts, text, values};
use crate::command::{Command, Effect};
use crate::each::run_each;
use crate::names::slot;
use crate::resp::Value;
use crate::route::{attempt, run};
use crate::script::{ADOPT, ANNOUNCE, DUE, LOOKS, POSTPONE, SETTLE};
use crate::shared::Shared;

/// How often ended leases are looked for.
const SWEEP_EVERY: Duration = Duration::from_millis(500);

/// How long one search may take; what it has not reached is left for the next.
const SWEEP_MAX: Duration = Duration::from_secs(2);

/// How many lists of each slot are served in one round, and how many rounds there are at once.
const LISTS_MAX: usize = 64;
const ROUNDS_MAX: usize = 16;

/// How often a slot is said to have leases while new ones are made, unless they are shorter.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(10);

/// How long after it was announced a lease may be made: that time, the longest wait (5 minutes), and a call (30 seconds).
const MADE_WITHIN: Duration = Duration::from_secs(6 * 60);

/// How often slots are looked for that nobody looks at: a failover may have lost when, and earlier versions do not say it.
const ADOPT_EVERY: Duration = Duration::from_secs(60);

/// After what time a slot cannot have any that was last said to: the longest lease is half a day.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(13 * 60 * 60);

/// Says that the slot of a list is about to have a lease, unless that was said not long ago of one as short.
///
/// # Errors
/// The server cannot be told. Nothing was reserved.
pub(crate) async fn announce(
    shared: &Arc<Shared>,
    context: &Context,
    list: &str,
    lease: Duration,
) -> Result<(), Error> {
    let slot = slot(list.as_bytes());
    let is_said = |(at, said): &(Instant, Duration)| at.elapsed() < ANNOUNCE_EVERY && *said <= lease;
    if announced(shared).get(&slot).is_some_and(is_said) {
        return Ok(());
    }
    let begun = Instant::now();
    // Not a step of the call, which is recorded under its idempotency key.
    let context = match context.time_left() {
        Some(left) => Context::default().or_timeout(left),
        None => Context::default(),
    };
    let announcing = |indexes: &[usize]| {
        let all = shared.companions.slots();
        let keys: Vec<_> = indexes.iter().map(|index| all[index - 1].clone()).collect();
        let command = Command::script_on(&ANNOUNCE, keys, Effect::Write).arg(slot);
        indexes.iter().fold(command.arg(millis(lease)).arg(millis(MADE_WITHIN)), Command::arg)
    };
    match attempt(shared, &context, &announcing(&[1, 2, 3]).without_waiting()).await? {
        // The indexes are on their way to another node, some here and some there. When to look comes last: whoever postpones a look in
        // between knows what was announced, or is corrected.
        Err(fault) if fault.code() == Some("TRYAGAIN") => {
            for index in [1, 3, 2] {
                run(shared, &context, &announcing(&[index])).await?;
            }
        }
        said => drop(said?),
    }
    announced(shared).insert(slot, (begun, lease));
    Ok(())
}

/// A duration as scripts want it.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn announced(shared: &Shared) -> MutexGuard<'_, HashMap<u16, (Instant, Duration)>> {
    shared.announced.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the values of leases that have ended, for as long as it is polled.
pub(crate) async fn sweep(shared: &Arc<Shared>) {
    let mut ticks = interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut adopted: Option<Instant> = None;
    loop {
        ticks.tick().await;
        // What waits for a slot that moves does not hold up the others for long.
        let context = Context::default().or_timeout(SWEEP_MAX);
        let swept = async {
            for _ in 0..ROUNDS_MAX {
                if !sweep_once(shared, &context).await? {
                    break;
                }
            }
            if adopted.is_none_or(|at| at.elapsed() >= ADOPT_EVERY) {
                adopt(shared, &context).await?;
                adopted = Some(Instant::now());
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = swept.await {
            tracing::debug!(%error, "leases that have ended cannot be looked for");
        }
    }
}

/// Lets slots be looked at that nobody looks at.
async fn adopt(shared: &Arc<Shared>, context: &Context) -> Result<(), Error> {
    let [slots, looks, _] = shared.companions.slots();
    let adopting = Command::script_on(&ADOPT, [slots, looks], Effect::Write).arg(FORGOTTEN_AFTER.as_secs());
    run(shared, context, &adopting.without_waiting()).await.map(drop)
}

/// One round; whether there may be more to do.
async fn sweep_once(shared: &Arc<Shared>, context: &Context) -> Result<bool, Error> {
    let slots = slots_to_look_at(shared, context).await?;
    let question = |slot| Command::script(&DUE, shared.companions.due(slot), Effect::Read).arg(LISTS_MAX);
    let questions: Vec<_> = slots.iter().map(|(slot, _)| question(*slot)).collect();
    let mut postponing = Command::script_on(&POSTPONE, shared.companions.slots(), Effect::Write);
    postponing = postponing.arg(millis(MADE_WITHIN));
    let (mut settling, mut has_more, mut has_postponed) = (Vec::new(), false, false);
    for ((slot, look), answer) in slots.iter().zip(run_each(shared, context, &questions).await) {
        // Who cannot be asked now will be the next time.
        let Ok(answer) = answer else { continue };
        let [lists, left] = parts(answer)?;
        let lists = values(lists)?;
        if lists.is_empty() {
            let left = if let Value::Int(left) = left { left.to_string() } else { String::new() };
            postponing = postponing.arg(*slot).arg(look).arg(left);
            has_postponed = true;
        }
        has_more |= lists.len() == LISTS_MAX;
        for list in lists {
            let keys = shared.companions.of_list(String::from_utf8_lossy(&list).into_owned());
            settling.push(Command::script_on(&SETTLE, keys, Effect::Write));
        }
    }
    for settled in run_each(shared, context, &settling).await {
        if let Err(error) = settled {
            tracing::debug!(%error, "values whose lease has ended cannot be returned");
        }
    }
    if has_postponed && let Err(error) = run(shared, context, &postponing.without_waiting()).await {
        // While the indexes are on their way, slots are looked at each time.
        tracing::debug!(%error, "slots without ended leases are looked at again");
    }
    Ok(has_more)
}

/// The slots whose time has come, each with that time as the server has it.
async fn slots_to_look_at(shared: &Arc<Shared>, context: &Context) -> Result<Vec<(u16, String)>, Error> {
    let [_, looks, _] = shared.companions.slots();
    let question = Command::script(&LOOKS, looks, Effect::Read);
    let answer = array(run(shared, context, &question).await?)?;
    let read = |pair: &[Value]| Some((text(&pair[0])?.parse().ok()?, text(&pair[1])?.to_owned()));
    Ok(answer.chunks_exact(2).filter_map(read).collect())
}
