//! What is taken from a list for somebody who waits, and how that is undone.
//!
//! ```text
//!              take            close
//!  (in list) ───────▶ open ─────────▶ given
//!      ▲               │
//!      └───────────────┘ undo, once
//! ```
//!
//! Each taking has a name, so that an undo which is sent again, or arrives before what it undoes, undoes nothing else. While it is open, the
//! server has it on record: for a call under an idempotency key beside the record of its answer, which is kept for as long even if the client
//! acknowledges it, and which a repetition closes; for any other in a note of its own. See `scripts/recorded.lua` and `scripts/taken.lua`.

use std::time::Duration;

use prism_plugin::retries::IDEMPOTENCY_RECORD_LIFE;
use tokio::time::Instant;

use crate::command::{Command, Effect};
use crate::companions::Companions;
use crate::record::Manner;
use crate::script::{Script, UNDO_RECORDED, UNDO_TAKEN};
use crate::waiters::Wish;

/// How long the last attempt to undo something may take.
const LAST_UNDO_MAX: Duration = Duration::from_secs(5);

/// How long after it began a taking is tried to be undone: for as long as the server has it on record, less the last attempt.
pub(crate) const RETURN_MAX: Duration = IDEMPOTENCY_RECORD_LIFE.saturating_sub(LAST_UNDO_MAX);

/// The steps of a taking.
pub(crate) struct Taking {
    /// When it began. The server has it on record from then on, or a later moment.
    pub(crate) begun: Instant,
    /// Takes what a wish finds.
    pub(crate) take: Command,
    /// Returns it to the end that it came from. May be sent again.
    pub(crate) undo: Command,
    /// Says that somebody has been given it. Only then: its call may be taking something else by now.
    pub(crate) close: Command,
}

impl Taking {
    pub(crate) fn of(companions: &Companions, wish: &Wish) -> Self {
        let begun = Instant::now();
        let name = format!("{:032x}", fastrand::u128(..));
        let list = &wish.command.key;
        let undoing = |script: &'static Script, more: &[&String]| {
            let mut keys = companions.of_list(list.clone()).to_vec();
            keys.extend(more.iter().copied().cloned());
            let undo = Command::script_on(script, keys, Effect::Write).arg(wish.push);
            undo.arg(IDEMPOTENCY_RECORD_LIFE.as_millis().to_string())
        };
        match &wish.record {
            Some(record) => Self {
                begun,
                take: wish.command.recorded(record, Manner::Open(&name)),
                undo: undoing(&UNDO_RECORDED, &[&record.answers, &record.open])
                    .arg(record.number())
                    .arg(&name),
                close: Command::new("HDEL", record.open.clone(), Effect::Write).arg(record.number()),
            },
            None => {
                let note = companions.note(list, &name);
                Self {
                    begun,
                    take: wish.command.taken(&note),
                    undo: undoing(&UNDO_TAKEN, &[&note]),
                    close: Command::new("DEL", note, Effect::Write),
                }
            }
        }
    }
}
