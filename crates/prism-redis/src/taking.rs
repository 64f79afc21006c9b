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

use prism_plugin::retries::IDEMPOTENCY_RECORD_LIFE;

use crate::command::{Command, Effect};
use crate::companions::Companions;
use crate::record::Manner;
use crate::script::{Script, UNDO_RECORDED, UNDO_TAKEN};
use crate::waiters::Wish;

/// The steps of a taking.
pub(crate) struct Taking {
    /// Takes what a wish finds.
    pub(crate) take: Command,
    /// Returns it to the end that it came from. May be sent again.
    pub(crate) undo: Command,
    /// Says that somebody has been given it. Only then: its call may be taking something else by now.
    pub(crate) close: Command,
}

impl Taking {
    pub(crate) fn of(companions: &Companions, wish: &Wish) -> Self {
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
                take: wish.command.recorded(record, Manner::Open(&name)),
                undo: undoing(&UNDO_RECORDED, &[&record.answers, &record.open])
                    .arg(record.number())
                    .arg(&name),
                close: Command::new("HDEL", record.open.clone(), Effect::Write).arg(record.number()),
            },
            None => {
                let note = companions.note(list, &name);
                Self {
                    take: wish.command.taken(&note),
                    undo: undoing(&UNDO_TAKEN, &[&note]),
                    close: Command::new("DEL", note, Effect::Write),
                }
            }
        }
    }
}
