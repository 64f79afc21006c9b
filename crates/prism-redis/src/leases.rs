//! Returning the values of leases that have ended on lists that nobody looks at.
//!
//! Each slot has an index of its lists by when their first lease ends, which the scripts keep. Which slots have any is said in one place
//! before the first lease there is made, and again while there are new ones, so that every process finds all of them, whoever made them.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use prism_plugin::{Context, Error};
use redis::Value;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::answer::{array, text, values};
use crate::command::{Command, Effect};
use crate::each::run_each;
use crate::names::slot;
use crate::route::run;
use crate::script::{ANNOUNCE, DUE, SETTLE, SLOTS};
use crate::shared::Shared;

/// How often ended leases are looked for.
const SWEEP_EVERY: Duration = Duration::from_millis(500);

/// How many lists of each slot are served in one round, and how many rounds there are at once.
const LISTS_MAX: usize = 64;
const ROUNDS_MAX: usize = 16;

/// How often a slot is said to have leases while new ones are made.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(10);

/// After what time a slot cannot have any that was last said to: the longest lease is half a day.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(13 * 60 * 60);

/// Says that the slot of a list is about to have leases, unless that was said not long ago.
///
/// # Errors
/// The server cannot be told. Nothing was reserved.
pub(crate) async fn announce(shared: &Arc<Shared>, context: &Context, list: &str) -> Result<(), Error> {
    let slot = slot(list.as_bytes());
    if announced(shared).get(&slot).is_some_and(|said| said.elapsed() < ANNOUNCE_EVERY) {
        return Ok(());
    }
    let begun = Instant::now();
    // Not a step of the call, which is recorded under its idempotency key.
    let context = match context.time_left() {
        Some(left) => Context::default().or_timeout(left),
        None => Context::default(),
    };
    let command = Command::script(&ANNOUNCE, shared.companions.slots(), Effect::Write).arg(slot);
    run(shared, &context, &command).await?;
    announced(shared).insert(slot, begun);
    Ok(())
}

fn announced(shared: &Shared) -> MutexGuard<'_, HashMap<u16, Instant>> {
    shared.announced.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the values of leases that have ended, for as long as it is polled.
pub(crate) async fn sweep(shared: &Arc<Shared>) {
    let mut ticks = interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for _ in 0..ROUNDS_MAX {
            match sweep_once(shared).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::debug!(%error, "leases that have ended cannot be looked for");
                    break;
                }
            }
        }
    }
}

/// One round; whether there may be more to do.
async fn sweep_once(shared: &Arc<Shared>) -> Result<bool, Error> {
    let context = Context::default();
    let question = Command::script(&SLOTS, shared.companions.slots(), Effect::Read);
    let slots = run(shared, &context, &question.arg(FORGOTTEN_AFTER.as_secs())).await?;
    let slots = array(slots)?.into_iter().filter_map(|slot| text(&slot)?.parse().ok());
    let question = |slot| Command::script(&DUE, shared.companions.due(slot), Effect::Read).arg(LISTS_MAX);
    let questions: Vec<_> = slots.map(question).collect();
    let mut settling = Vec::new();
    let mut has_more = false;
    for due in run_each(shared, &context, &questions).await {
        let lists = values(due.unwrap_or_else(|_| Value::Array(Vec::new())))?;
        has_more |= lists.len() == LISTS_MAX;
        for list in lists {
            let keys = shared.companions.of_list(String::from_utf8_lossy(&list).into_owned());
            settling.push(Command::script_on(&SETTLE, keys, Effect::Write));
        }
    }
    for settled in run_each(shared, &context, &settling).await {
        if let Err(error) = settled {
            tracing::debug!(%error, "values whose lease has ended cannot be returned");
        }
    }
    Ok(has_more)
}
