//! A run of the cases against an endpoint.

use std::time::Instant;

use futures_util::stream::{self, StreamExt as _};

use super::calls::Interface;
use super::cases::{Case, Need, cases};
use super::expect::Stop;
use super::report::{CaseReport, InterfaceReport, Outcome, Report};
use super::target::{Options, SuiteError, Target};
use super::trial::Trial;

/// Runs the cases against an endpoint: `HOST:PORT`, `http://HOST:PORT` or `unix:PATH`, of a plugin or a gateway.
/// `on_finished` is called with each case, in order, once it and those before it have ended.
///
/// # Errors
/// There is nothing to run against. A failed case is not an error: see [`Report::is_conformant`].
///
/// # Cancel safety
/// A run that is dropped early leaves keys behind that begin with `conformance-`.
pub async fn run(
    endpoint: &str,
    options: &Options,
    mut on_finished: impl FnMut(&CaseReport),
) -> Result<Report, SuiteError> {
    let target = match tokio::time::timeout(options.case_timeout, Target::discover(endpoint, options)).await {
        Ok(target) => target?,
        Err(_) => {
            let sentence = format!("{endpoint} does not respond within {:?}", options.case_timeout);
            return Err(SuiteError::Unreachable(sentence));
        }
    };
    let is_chosen = |case: &&Case| {
        options.only.is_empty() || options.only.iter().any(|only| case.name().starts_with(only))
    };
    let chosen: Vec<_> = cases().filter(is_chosen).collect();
    let runs: Vec<_> = chosen.iter().map(|case| Box::pin(run_case(&target, case))).collect();
    let mut reports = Vec::with_capacity(runs.len());
    let mut runs = stream::iter(runs).buffered(options.concurrency.max(1));
    while let Some(report) = runs.next().await {
        on_finished(&report);
        reports.push(report);
    }
    let mut interfaces: Vec<_> = Interface::ALL
        .iter()
        .map(|interface| InterfaceReport::new(interface.service(), target.served.has(*interface)))
        .collect();
    for (case, report) in chosen.iter().zip(&reports) {
        let of_case = case.needs.iter().rev().find_map(|need| match need {
            Need::Served(interface) => Some(interface.service()),
            _ => None,
        });
        if let Some(interface) = interfaces.iter_mut().find(|known| Some(known.interface) == of_case) {
            interface.count(&report.outcome);
        }
    }
    Ok(Report { endpoint: endpoint.to_owned(), cases: reports, interfaces, declared: target.promised })
}

async fn run_case(target: &Target, case: &'static Case) -> CaseReport {
    let begun = Instant::now();
    let outcome = match case.needs.iter().find_map(|need| lacks(target, *need)) {
        Some(why) => Outcome::NotApplicable { why },
        None => try_case(target, case).await,
    };
    CaseReport { name: case.name(), rule: case.rule(), outcome, duration: begun.elapsed() }
}

async fn try_case(target: &Target, case: &'static Case) -> Outcome {
    let trial = Trial::new(target, case.name());
    let limit = target.options.case_timeout;
    let verdict = tokio::time::timeout(limit, (case.run)(&trial)).await;
    trial.clean_up().await;
    match verdict {
        Err(_) => Outcome::Failed { failure: format!("it did not end within {limit:?}") },
        Ok(Err(Stop::Failed(failure))) => Outcome::Failed { failure },
        Ok(Err(Stop::NotApplicable(why))) => Outcome::NotApplicable { why },
        Ok(Ok(())) => match trial.into_warnings() {
            warnings if warnings.is_empty() => Outcome::Passed,
            warnings => Outcome::Warned { warnings },
        },
    }
}

fn lacks(target: &Target, need: Need) -> Option<String> {
    let (there, why) = match need {
        Need::Served(interface) => return lacks_interface(target, interface),
        Need::Ordered => (target.promised.ordered, "the capability ordered is not declared"),
        Need::Unordered => (!target.promised.ordered, "the capability ordered is declared"),
        Need::ExactlyOnce => {
            (target.promised.scan_exactly_once, "the capability scan_exactly_once is not declared")
        }
        Need::Resumable => (target.promised.resumable, "the capability resumable is not declared"),
        Need::ExactCount => (target.promised.exact_count, "the capability exact_count is not declared"),
        Need::Idempotent => {
            (target.promised.idempotent_retries, "the capability idempotent_retries is not declared")
        }
        Need::Linearizable => (target.promised.linearizable, "the capability linearizable is not declared"),
    };
    (!there).then(|| why.to_owned())
}

fn lacks_interface(target: &Target, interface: Interface) -> Option<String> {
    let name = interface.service().rsplit('.').next().unwrap_or_default();
    (!target.served.has(interface)).then(|| format!("{name} is not served"))
}
