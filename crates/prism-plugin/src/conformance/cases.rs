//! The cases: a name, a rule, and an async function that checks it. One file per subject.
//!
//! Each checks one rule and relies on others as little as possible, so that a broken rule fails its own case and no
//! other. `tests/conformance.rs` verifies this for every case.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::calls::Interface;
use super::expect::Verdict;
use super::trial::Trial;

mod atomic;
mod batch;
mod cas;
mod counter;
mod cursor;
mod health;
mod idempotency;
mod keys;
mod keyvalue;
mod list;
mod list_batch;
mod list_blocking;
mod list_indexing;
mod list_range;
mod list_reserve;
mod lists;
mod namespaces;
mod resume;
mod scan;
mod scan_options;
mod transfer;
mod transfer_import;
mod ttl;
mod ttl_calls;
mod values;
mod wire;
mod wire_encoding;

/// What an endpoint must have for a case to apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Served(Interface),
    Ordered,
    Unordered,
    ExactlyOnce,
    Resumable,
    ExactCount,
    Linearizable,
    Idempotent,
}

type Run = for<'a> fn(&'a Trial<'a>) -> Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

/// One rule of the contract and the way to check it.
pub struct Case {
    name: &'static str,
    rule: &'static str,
    pub(super) needs: &'static [Need],
    pub(super) run: Run,
}

impl Case {
    /// The stable name: subject and rule in kebab case, such as `ttl/set-replaces-ttl`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The rule in one line.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        self.rule
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).field("needs", &self.needs).finish_non_exhaustive()
    }
}

/// Every case, in the order they are run and reported.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    [
        namespaces::CASES,
        keys::CASES,
        values::CASES,
        keyvalue::CASES,
        ttl::CASES,
        ttl_calls::CASES,
        cas::CASES,
        counter::CASES,
        batch::CASES,
        scan::CASES,
        cursor::CASES,
        resume::CASES,
        scan_options::CASES,
        list::CASES,
        list_range::CASES,
        list_indexing::CASES,
        list_batch::CASES,
        list_blocking::CASES,
        list_reserve::CASES,
        lists::CASES,
        transfer::CASES,
        transfer_import::CASES,
        idempotency::CASES,
        atomic::CASES,
        wire::CASES,
        wire_encoding::CASES,
        health::CASES,
    ]
    .into_iter()
    .flatten()
}

/// One need of a case.
macro_rules! need {
    (Ordered) => {
        crate::conformance::cases::Need::Ordered
    };
    (Unordered) => {
        crate::conformance::cases::Need::Unordered
    };
    (ExactlyOnce) => {
        crate::conformance::cases::Need::ExactlyOnce
    };
    (Resumable) => {
        crate::conformance::cases::Need::Resumable
    };
    (ExactCount) => {
        crate::conformance::cases::Need::ExactCount
    };
    (Linearizable) => {
        crate::conformance::cases::Need::Linearizable
    };
    (Idempotent) => {
        crate::conformance::cases::Need::Idempotent
    };
    ($interface:ident) => {
        crate::conformance::cases::Need::Served(crate::conformance::calls::Interface::$interface)
    };
}
use need;

/// A table of cases: name, rule, needs, function.
macro_rules! table {
    ($($name:literal, $rule:literal, [$($need:ident),*], $run:ident;)*) => {
        pub(super) const CASES: &[super::Case] = &[$(super::Case {
            name: $name,
            rule: $rule,
            needs: &[$(super::need!($need)),*],
            run: |trial| Box::pin($run(trial)),
        }),*];
    };
}
use table;
