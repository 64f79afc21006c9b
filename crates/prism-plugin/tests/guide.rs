//! The guide for plugin authors lists what the conformance suite checks.

use std::fmt::Write as _;

use prism_plugin::conformance;

#[test]
fn the_guide_lists_every_case_with_its_rule() {
    let guide = include_str!("../../../docs/PLUGINS.md");
    let mut table = String::new();
    for case in conformance::cases() {
        let _ = writeln!(table, "| `{}` | {} |", case.name(), case.rule());
    }
    assert!(guide.ends_with(&table), "docs/PLUGINS.md must end with:\n{table}");
}
