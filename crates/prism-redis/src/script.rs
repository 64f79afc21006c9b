//! Scripts, each one atomic step on one key and on what belongs to it.
//!
//! They read before they write, and their first write is the one that a full server refuses, so that a script that fails has
//! changed nothing. Those on lists first return the values of leases that have ended.

use std::fmt::Write as _;
use std::sync::{LazyLock, OnceLock};

use prism_plugin::retries::{IDEMPOTENCY_BYTES_MAX, IDEMPOTENCY_RECORD_LIFE, IDEMPOTENCY_RECORDS_MAX};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// A script and the hash under which a server knows it.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) source: String,
    pub(crate) hash: String,
    recorded: OnceLock<Box<Script>>,
    taken: OnceLock<Box<Script>>,
}

impl Script {
    fn new(source: String) -> Self {
        let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, source.as_bytes());
        let mut hash = String::with_capacity(40);
        for byte in digest.as_ref() {
            let _ = write!(hash, "{byte:02x}");
        }
        Self { source, hash, recorded: OnceLock::new(), taken: OnceLock::new() }
    }

    /// The same step together with the record of its answer.
    pub(crate) fn recorded(&'static self) -> &'static Self {
        self.recorded.get_or_init(|| self.within(include_str!("scripts/recorded.lua")))
    }

    /// The same step together with a note of what it has taken.
    pub(crate) fn taken(&'static self) -> &'static Self {
        self.taken.get_or_init(|| self.within(include_str!("scripts/taken.lua")))
    }

    /// The same as the function `act` in front of another script.
    fn within(&self, other: &str) -> Box<Self> {
        let life = IDEMPOTENCY_RECORD_LIFE.as_millis();
        let limits = format!("{life}, {IDEMPOTENCY_RECORDS_MAX}, {IDEMPOTENCY_BYTES_MAX}");
        let begin = format!("local LIFE, COUNT_MAX, BYTES_MAX = {limits}\nlocal function act()\n");
        Box::new(Self::new([begin.as_str(), &self.source, "end\n", other].concat()))
    }
}

macro_rules! scripts {
    ($($name:ident: $($file:literal)+, $what:literal;)*) => {$(
        #[doc = $what]
        pub(crate) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!($(include_str!(concat!("scripts/", $file))),+).to_owned()));
    )*};
}

scripts! {
    ON_ANY: "on_any.lua", "Any command, as part of a step.";
    NOTHING: "nothing.lua", "The answer of a call that finds nothing.";
    NOT_APPLIED: "not_applied.lua", "The answer of a conditional write whose condition does not hold.";
    GET_WITH_TTL: "get_with_ttl.lua", "A value and what it has left to live.";
    ON_STRING: "on_string.lua", "A command that by itself would act on any type.";
    PERSIST: "persist.lua", "Removes a time to live.";
    SET_IF: "set_if.lua", "Stores a value if a condition holds.";
    DELETE_IF: "delete_if.lua", "Removes a key if a condition holds.";
    INCREMENT: "increment.lua", "Adds to a counter that may have to be created.";
    ON_LIST: "leases.lua" "on_list.lua", "A command on a list that removes and replaces nothing.";
    POP: "leases.lua" "pop.lua", "Pops a value.";
    POP_WAITING: "leases.lua" "pop_waiting.lua", "Pops a value for somebody who waits.";
    POP_MANY: "leases.lua" "pop_many.lua", "Pops as many values as fit into a message.";
    PUSH_TRIMMED: "leases.lua" "cut.lua" "push_trimmed.lua", "Pushes values, and trims the other end.";
    RANGE: "leases.lua" "page.lua" "range.lua", "A page of a list.";
    COPY: "leases.lua" "page.lua" "copy.lua", "The next page of a list that moves.";
    TRIM: "leases.lua" "cut.lua" "trim.lua", "Cuts a list, and counts what is left.";
    CLEAR: "leases.lua" "clear.lua", "Removes a list and its leases, and counts what it had.";
    REMOVE: "leases.lua" "remove.lua", "Removes equal values.";
    SET_AT: "leases.lua" "set_at.lua", "Replaces a value.";
    RESERVE: "leases.lua" "reserve.lua", "Takes values under a lease.";
    ACK: "leases.lua" "ack.lua", "Removes the values of a lease.";
    EXTEND: "leases.lua" "extend.lua", "Lets a lease end later.";
    RELEASE: "leases.lua" "release.lua", "Returns the values of a lease.";
    UNDO_TAKEN: "leases.lua" "restore.lua" "undo_taken.lua", "Returns what was taken for a caller that has gone and does not repeat its call.";
    UNDO_RECORDED: "leases.lua" "restore.lua" "undo_recorded.lua", "The same for one that may repeat it.";
    SETTLE: "leases.lua" "settle.lua", "Returns the values of leases that have ended.";
    REPLACE_LIST: "leases.lua" "replace_list.lua", "Gives a list its values, and no others.";
    DUE: "due.lua", "The lists of a slot with leases that have ended.";
    LOOKS: "looks.lua", "The slots that are to be looked at.";
    POSTPONE: "postpone.lua", "Says when slots are to be looked at next.";
    ADOPT: "adopt.lua", "Lets slots be looked at that nobody looks at.";
    ANNOUNCE: "announce.lua", "Says that a slot is about to have a lease.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_that_of_the_source() {
        assert_eq!(Script::new("return 1".to_owned()).hash, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
        assert!(ON_LIST.source.starts_with("-- "));
        let recorded = ON_LIST.recorded();
        assert!(recorded.source.contains("return answer") && recorded.hash != ON_LIST.hash);
        assert!(![&ON_LIST.hash, &recorded.hash].contains(&&ON_LIST.taken().hash));
    }
}
