//! The conformance suite's own test: a correct plugin passes every case, and for each case there is a broken plugin
//! that fails this case alone.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use prism_plugin::Capabilities;
use prism_plugin::conformance::{self, Options, Outcome, Report, SuiteError};
use support::flaws::BROKEN_ON_THE_WIRE;
use support::memory::Memory;
use support::server::{self, Patterns};
use support::wire;

/// Broken plugins tested concurrently: they spend much of their time waiting for keys to expire.
const CONCURRENCY: usize = 24;

/// The concurrent cases of one run, and the keys of its big scan: enough to notice a scan that ends after 256.
fn quick() -> Options {
    Options { concurrency: 24, scan_keys: 260, case_timeout: Duration::from_secs(120), ..Options::default() }
}

/// Whether a case ended as it should with a correct plugin that is ordered.
fn is_expected(case: &conformance::CaseReport) -> bool {
    match case.name {
        "scan/start-after-needs-order" | "scan/reverse-and-before-need-order" => {
            matches!(case.outcome, Outcome::NotApplicable { .. })
        }
        _ => case.outcome == Outcome::Passed,
    }
}

async fn run(address: &str, options: &Options) -> Report {
    conformance::run(address, options, |_| {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_correct_plugin_passes_every_case() {
    let running = server::start(Memory::new("")).await;
    let mut told = Vec::new();
    let options = Options::default();
    let report =
        conformance::run(running.grpc_address(), &options, |case| told.push(case.name)).await.unwrap();
    running.drain().await;

    assert!(report.is_conformant(), "{report}");
    for case in &report.cases {
        assert!(is_expected(case), "{case}");
    }
    let names: Vec<_> = conformance::cases().map(conformance::Case::name).collect();
    assert_eq!(told, names, "each case is reported, in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_case_has_a_broken_plugin_that_it_alone_fails() {
    let mistakes: Vec<_> = stream::iter(conformance::cases().map(conformance::Case::name))
        .map(|broken| tokio::spawn(mistakes_found(broken)))
        .buffer_unordered(CONCURRENCY)
        .map(Result::unwrap)
        .concat()
        .await;
    assert!(mistakes.is_empty(), "{} mistakes:\n{}", mistakes.len(), mistakes.join("\n"));
}

/// Runs the cases that tell something about a broken plugin, and returns in what they were mistaken.
async fn mistakes_found(broken: &'static str) -> Vec<String> {
    let patterns = match is_on_the_wire(broken) && !waits(broken) {
        true => Patterns::WithoutWaiting,
        false => Patterns::Both,
    };
    let running = server::start_at("127.0.0.1:0", Memory::new(broken), patterns).await;
    let mut address = running.grpc_address().to_owned();
    if is_on_the_wire(broken) {
        address = wire::start(address, broken).await;
    }
    let report = run(&address, &Options { only: telling(broken), ..quick() }).await;
    running.drain().await;
    mistakes(broken, &report)
}

/// Whether a case is one of calls that wait, which need a client's resets to reach the plugin.
fn waits(case: &str) -> bool {
    let waiting =
        ["list-blocking/", "list-reserve/", "idempotency/repetition-waits-", "transfer/reserved-values-"];
    waiting.iter().any(|subject| case.starts_with(subject))
}

/// Whether a rule is broken by the server that breaks rules on the wire.
fn is_on_the_wire(broken: &str) -> bool {
    BROKEN_ON_THE_WIRE.iter().any(|flaw| broken.starts_with(flaw))
}

/// Whether a case is about a verb that is not one of the first three interfaces. Such cases stand on those, so they may fail, too, where
/// one of those is broken.
fn stands_on_others(case: &str) -> bool {
    const SUBJECTS: &[&str] = &[
        "ttl/millis-",
        "ttl/get-",
        "ttl/missing-",
        "ttl/expire-",
        "ttl/persist-",
        "cas/",
        "counter/",
        "batch/",
        "scan/reverse-",
        "scan/before-",
        "scan/resume-keeps-",
        "scan/resume-excludes-before",
        "scan/returns-ttls-",
        "scan/page-bytes-",
        "scan/delete-prefix-",
        "list-",
        "lists/",
        "transfer/",
        "idempotency/",
    ];
    SUBJECTS.iter().any(|subject| case.starts_with(subject))
}

/// Whether a case may fail with the plugin that breaks the rule of another.
fn may_fail(case: &str, broken: &str) -> bool {
    (stands_on_others(case) && !stands_on_others(broken))
        // Copies stand on every other interface.
        || (case.starts_with("transfer/") && !broken.starts_with("transfer/"))
        // Its plugin takes the cases, which are clients at the same time, for one.
        || (broken == "idempotency/clients-are-kept-apart"
            && case != broken
            && case.starts_with("idempotency/"))
}

/// The cases that are run against the plugin that breaks the rule of one. Left out are those that may fail with it, over a quarter of all
/// runs: whether they fail tells nothing about the rule. That none of them warns or does not apply is tested with the plugins with
/// which it may not fail, and with correct ones.
fn telling(broken: &str) -> Vec<String> {
    let names = conformance::cases().map(conformance::Case::name);
    names.filter(|case| !may_fail(case, broken)).map(str::to_owned).collect()
}

/// What is wrong with a run against the plugin that breaks the rule of one case.
fn mistakes(broken: &str, report: &Report) -> Vec<String> {
    // Its plugin is not ordered, so the ordering cases do not apply.
    let is_excused = |name: &str| {
        ["scan/start-after-needs-order", "scan/reverse-and-before-need-order"].contains(&broken)
            && [
                "scan/keys-are-in-byte-order",
                "scan/start-after-",
                "scan/resume-repeats-nothing-in-order",
                "scan/resume-keeps-direction-and-end",
                "scan/resume-excludes-before",
                "scan/reverse-",
                "scan/before-",
            ]
            .iter()
            .any(|order| name.starts_with(order))
    };
    // Rules that a plugin should obey, but that servers of stock gRPC do not.
    let is_advice =
        ["wire/other-content-types-are-415", "wire/unknown-compression-is-unimplemented"].contains(&broken);
    let mut mistakes = Vec::new();
    if !report.cases.iter().any(|case| case.name == broken) {
        mistakes.push(format!("{broken}: its case was not run"));
    }
    for case in &report.cases {
        match (case.name == broken, &case.outcome) {
            (true, Outcome::Failed { .. }) if !is_advice => {}
            (true, Outcome::Warned { .. }) if is_advice => {}
            (true, _) => mistakes.push(format!("{broken}: its broken plugin resulted in {case}")),
            (false, Outcome::NotApplicable { .. }) if is_excused(case.name) => {}
            (false, Outcome::Passed) if is_excused(case.name) => {}
            (false, Outcome::Failed { .. })
                if is_on_the_wire(broken) && waits(case.name) && case.name.contains("/gone-waiter-") => {}
            (false, Outcome::NotApplicable { .. }) if is_on_the_wire(broken) && waits(case.name) => {}
            (false, _) if is_expected(case) => {}
            (false, _) => mistakes.push(format!("{broken}: its broken plugin also resulted in {case}")),
        }
    }
    mistakes
}

#[tokio::test]
async fn the_server_that_breaks_rules_on_the_wire_breaks_none_by_itself() {
    let running = server::start_at("127.0.0.1:0", Memory::new(""), Patterns::WithoutWaiting).await;
    let address = wire::start(running.grpc_address().to_owned(), "").await;
    let report = run(&address, &quick()).await;
    assert!(report.cases.iter().all(|case| is_expected(case) || waits(case.name)), "{report}");
}

#[tokio::test]
async fn cases_of_what_is_not_served_or_promised_do_not_apply() {
    let memory = || Memory::new("").promising(Capabilities::default());
    for (patterns, absent) in
        [(Patterns::List, ["keyvalue/", "ttl/"]), (Patterns::KeyValue, ["list/", "list/"])]
    {
        let running = server::start_at("127.0.0.1:0", memory(), patterns).await;
        let report = run(running.grpc_address(), &quick()).await;
        running.drain().await;
        assert_eq!(report.failed().chain(report.warned()).count(), 0, "{report}");
        for case in &report.cases {
            let applies = !matches!(case.outcome, Outcome::NotApplicable { .. });
            assert!(!(applies && absent.iter().any(|subject| case.name.starts_with(subject))), "{case}");
            assert!(!(applies && case.name.ends_with("linearizable")), "{case}");
            if case.name == "scan/start-after-needs-order" {
                assert_eq!(applies, patterns == Patterns::KeyValue, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_unix_socket_is_an_endpoint_too() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", folder.path().join("plugin.sock").display());
    let running = server::start_at(&address, Memory::new(""), Patterns::Both).await;
    let report = run(&address, &quick()).await;
    running.drain().await;
    assert!(report.cases.iter().all(is_expected), "{report}");
}

#[tokio::test]
async fn nothing_is_left_behind() {
    let memory = Memory::new("keyvalue/delete-says-whether-it-was-there");
    let running = server::start(memory.clone()).await;
    let report = run(running.grpc_address(), &quick()).await;
    running.drain().await;
    assert!(!report.is_conformant());
    assert_eq!(memory.left(), Vec::<String>::new());
}

#[tokio::test]
async fn only_the_chosen_cases_are_run() {
    let running = server::start(Memory::new("")).await;
    let only = vec!["values/".to_owned(), "keyvalue/set-then-get".to_owned()];
    let report = run(running.grpc_address(), &Options { only, ..quick() }).await;
    running.drain().await;
    assert_eq!(report.cases.len(), 7);
}

#[tokio::test]
async fn a_run_against_nothing_is_an_error() {
    let error = |endpoint: &'static str| async move {
        conformance::run(endpoint, &Options::default(), |_| {}).await.unwrap_err()
    };
    assert!(matches!(error("nowhere").await, SuiteError::Endpoint(_)));
    assert!(matches!(error("127.0.0.1:1").await, SuiteError::Unreachable(_)));
}
