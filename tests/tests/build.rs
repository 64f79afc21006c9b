//! What the tests build is built as cargo would build it outside a test.

use std::process::Command;

use prism_e2e::process::without_package;

#[test]
fn a_cargo_within_a_test_does_not_know_the_package_under_test() {
    const OF_A_PACKAGE: [&str; 2] = ["CARGO_MANIFEST_", "CARGO_PKG_"];
    let is_set = |text: &str| text.lines().any(|line| OF_A_PACKAGE.iter().any(|name| line.starts_with(name)));
    let text = |command: &mut Command| {
        let output = command.output().expect("env runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(is_set(&text(&mut Command::new("env"))), "cargo has set none; the test proves nothing");
    let without = text(without_package(&mut Command::new("env")));
    assert!(!is_set(&without), "{without}");
    assert!(without.lines().any(|line| line.starts_with("PATH=")), "{without}");
}
