//! The record of a call's answer, which is written in the same atomic step as what the call changes.

use prism_plugin::retries::Attempt;

use crate::companions::Companions;

/// Where a call's answer is kept, and what is compared with a repetition.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// The Redis key of the answers to the same client.
    pub(crate) answers: String,
    /// The Redis key of which of them are open.
    pub(crate) open: String,
    pub(crate) digest: [u8; 32],
    pub(crate) seq: u64,
    pub(crate) acked: u64,
}

/// What a record is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner<'a> {
    /// To be kept.
    Kept,
    /// To be kept, unless nobody gets the answer and the step is undone, under the name of what it takes.
    Open(&'a str),
    /// To be looked for; the call itself is not made.
    Sought,
}

impl Manner<'_> {
    /// What scripts call it.
    pub(crate) fn word(self) -> String {
        match self {
            Self::Kept => "k".to_owned(),
            Self::Open(taking) => format!("o{taking}"),
            Self::Sought => "r".to_owned(),
        }
    }
}

impl Record {
    /// That of a call on a Redis key.
    pub(crate) fn of(companions: &Companions, attempt: &Attempt, key: &str) -> Self {
        let Attempt { key: number, caller, namespace, digest, .. } = attempt;
        let [answers, open] = companions.answers(key, namespace, number.client, caller.as_ref());
        Self { answers, open, digest: *digest, seq: number.seq, acked: number.acked }
    }

    /// A number as scripts compare it: as text.
    pub(crate) fn number(&self) -> String {
        text(self.seq)
    }

    /// The number below which all answers are acknowledged.
    pub(crate) fn acknowledged(&self) -> String {
        text(self.acked)
    }
}

fn text(number: u64) -> String {
    format!("{number:016x}")
}
