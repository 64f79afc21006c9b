//! The conformance suite's own test: a correct plugin passes every case, and for each case there is a broken plugin
//! that this case alone fails.

mod support;

use prism_plugin::conformance::{self, Options, Outcome};
use support::memory::Memory;
use support::server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_correct_plugin_passes_every_case() {
    let running = server::start(Memory::new("")).await;
    let report = conformance::run(running.grpc_address(), &Options::default(), |case| {
        println!("{case} {:?}", case.duration)
    })
    .await
    .unwrap();
    running.drain().await;
    assert!(report.is_conformant(), "{report}");
    for case in &report.cases {
        let is_expected = match case.name {
            "scan/start-after-needs-order" => matches!(case.outcome, Outcome::NotApplicable { .. }),
            _ => case.outcome == Outcome::Passed,
        };
        assert!(is_expected, "{case}");
    }
}
