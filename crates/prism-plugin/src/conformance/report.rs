//! How the cases of a run ended, for people (`Display`) and for programs (`Serialize`).

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::capabilities::Capabilities;

/// How one case ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The rule is kept.
    Passed,
    /// The rule is kept, but something recommended is missing, such as `ErrorInfo`.
    Warned {
        /// What is missing, one sentence each.
        warnings: Vec<String>,
    },
    /// The rule is broken.
    Failed {
        /// What was sent, what was expected, and what was received.
        failure: String,
    },
    /// The endpoint gives no occasion for the case.
    NotApplicable {
        /// Why not.
        why: String,
    },
}

impl Outcome {
    /// One word, the same as in JSON: `passed`, `warned`, `failed` or `not_applicable`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Warned { .. } => "warned",
            Self::Failed { .. } => "failed",
            Self::NotApplicable { .. } => "not_applicable",
        }
    }
}

/// One finished case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaseReport {
    /// The case's stable name, such as `ttl/set-replaces-ttl`.
    pub name: &'static str,
    /// The rule in one line.
    pub rule: &'static str,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How long it took; in JSON `duration_ms`.
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub duration: Duration,
}

fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

impl fmt::Display for CaseReport {
    /// One line, followed by indented lines for a failure or each warning.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Passed => write!(f, "pass  {}", self.name),
            Outcome::Warned { warnings } => {
                write!(f, "warn  {}", self.name)?;
                warnings.iter().try_for_each(|warning| write!(f, "\n      {warning}"))
            }
            Outcome::Failed { failure } => {
                write!(f, "FAIL  {}\n      rule: {}\n      {failure}", self.name, self.rule)
            }
            Outcome::NotApplicable { why } => write!(f, "n/a   {}: {why}", self.name),
        }
    }
}

/// An interface of the contract, and how its cases ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct InterfaceReport {
    /// The full name of its service, such as `prism.interfaces.keyvalue.KeyValueBasicInterface`.
    pub interface: &'static str,
    /// Whether the endpoint serves it.
    pub served: bool,
    /// Cases of this run, each counted for the last interface that it needs.
    pub passed: usize,
    /// Those that failed.
    pub failed: usize,
    /// Those that passed with warnings.
    pub warned: usize,
    /// Those for which the endpoint gave no occasion.
    pub not_applicable: usize,
}

impl InterfaceReport {
    pub(super) fn new(interface: &'static str, served: bool) -> Self {
        Self { interface, served, passed: 0, failed: 0, warned: 0, not_applicable: 0 }
    }

    pub(super) fn count(&mut self, outcome: &Outcome) {
        let counter = match outcome {
            Outcome::Passed => &mut self.passed,
            Outcome::Warned { .. } => &mut self.warned,
            Outcome::Failed { .. } => &mut self.failed,
            Outcome::NotApplicable { .. } => &mut self.not_applicable,
        };
        *counter += 1;
    }
}

/// A finished run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The endpoint, as it was given.
    pub endpoint: String,
    /// Every case of the run, in the order of [`cases`](fn@crate::conformance::cases).
    pub cases: Vec<CaseReport>,
    /// Every interface of the contract that has cases.
    pub interfaces: Vec<InterfaceReport>,
    /// What the endpoint declares; nothing if it does not serve its capabilities.
    pub declared: Capabilities,
}

impl Report {
    /// Whether no case failed.
    #[must_use]
    pub fn is_conformant(&self) -> bool {
        self.failed().next().is_none()
    }

    /// The cases that failed.
    pub fn failed(&self) -> impl Iterator<Item = &CaseReport> {
        self.cases.iter().filter(|case| matches!(case.outcome, Outcome::Failed { .. }))
    }

    /// The cases that passed with warnings.
    pub fn warned(&self) -> impl Iterator<Item = &CaseReport> {
        self.cases.iter().filter(|case| matches!(case.outcome, Outcome::Warned { .. }))
    }

    fn count(&self, word: &str) -> usize {
        self.cases.iter().filter(|case| case.outcome.word() == word).count()
    }
}

impl fmt::Display for Report {
    /// The cases that failed or warned, and a summary line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for case in self.failed().chain(self.warned()) {
            writeln!(f, "{case}")?;
        }
        write!(
            f,
            "{}: {} passed, {} failed, {} warned, {} not applicable",
            self.endpoint,
            self.count("passed"),
            self.count("failed"),
            self.count("warned"),
            self.count("not_applicable")
        )
    }
}
