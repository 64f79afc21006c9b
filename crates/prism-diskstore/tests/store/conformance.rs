//! The contract, against the binary.

use std::time::Duration;

use prism_plugin::conformance::{self, Options};

use crate::binary::Plugin;
use crate::support::open;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let plugin = Plugin::start(&path, &["--durability", "never", "--workers", "2"]);
    let options = Options { scan_keys: 1500, case_timeout: Duration::from_secs(120), ..Options::default() };
    let report = conformance::run(&plugin.address, &options, |_| {}).await.unwrap();
    plugin.stop();
    assert!(report.is_conformant(), "{report}");
    assert_eq!(report.warned().count(), 0, "{report}");
    let left = open(&path).verify().unwrap();
    assert_eq!((left.keys, left.lists, left.namespaces), (0, 0, 0), "the suite removes what it wrote");
}
