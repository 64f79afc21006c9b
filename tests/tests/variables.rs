//! The variables of flags: empty ones, and invalid ones.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt as _;

use prism_e2e::dev::Ran;
use prism_e2e::process::command;

/// A program with variables, its arguments, and its exit code.
type Program = (&'static str, &'static [&'static str], i32);

const PROGRAMS: [Program; 8] = [
    ("prism-proxy", &["--config", "/nowhere/prism.yaml"], 78),
    ("prism-memstore", &["--listen", "unix:/nowhere/socket"], 69),
    ("prism-admin", &["--listen", "0.0.0.0:0"], 78),
    ("prism", &["dev", "--log", "=?"], 78),
    ("prism", &["kv", "get", "k", "--address", "unix:/nowhere/socket"], 4),
    ("prism", &["bench", "unix:/nowhere/socket"], 4),
    ("prism", &["conformance", "unix:/nowhere/socket"], 4),
    ("prism", &["namespaces", "ls", "--admin", "http://127.0.0.1:1"], 4),
];

/// The variables in the help of a program, while some are empty.
fn variables(name: &str, words: &[&str], empty: &[String]) -> BTreeSet<String> {
    let empty = empty.iter().map(|name| (name, ""));
    let help = Ran::of(command(name).args(words).arg("--help").envs(empty), b"");
    // Regardless of how the lines are wrapped.
    let help = help.text().split_whitespace().collect::<Vec<_>>().join(" ");
    help.split("[env: ")
        .skip(1)
        .map(|text| text.split(']').next().unwrap().trim_end_matches('=').to_owned())
        .collect()
}

fn run(name: &str, words: &[&str], variables: &[(&str, &OsStr)]) -> Ran {
    Ran::of(command(name).args(words).envs(variables.iter().copied()), b"")
}

#[test]
fn an_empty_variable_is_as_one_that_is_unset() {
    let mut seen = 0;
    for (name, words, exit) in PROGRAMS {
        let known = variables(name, words, &[]);
        seen += known.len();
        let empty: Vec<_> = known.iter().cloned().collect();
        assert_eq!(variables(name, words, &empty), known, "the help names them all the same");
        let empty: Vec<_> = empty.iter().map(|name| (name.as_str(), OsStr::new(""))).collect();
        let ran = run(name, words, &empty);
        assert_eq!(ran.code, exit, "{name} {words:?}: {}", ran.err);
    }
    assert!(seen > 50, "{seen} variables are known");
}

#[test]
fn a_wrong_value_is_told_by_the_name_of_its_variable() {
    for (name, words, variable, value) in [
        ("prism-proxy", &[][..], "PRISM_PROXY_LISTEN", "nowhere"),
        ("prism-proxy", &[], "PRISM_PROXY_ACCESS_LOG", "yes"),
        ("prism-memstore", &[], "PRISM_MEMSTORE_WORKERS", "0"),
        ("prism-memstore", &[], "PRISM_MEMSTORE_MEMORY_LIMIT", "much"),
        ("prism-admin", &[], "PRISM_ADMIN_DRAIN_TIMEOUT", "10"),
        ("prism", &["dev"], "PRISM_DEV_LOG_FORMAT", "xml"),
        ("prism", &["kv", "get", "k"], "PRISM_ADDRESS", "nowhere"),
        ("prism", &["health"], "PRISM_ADDRESS", "nowhere"),
        ("prism", &["namespaces", "ls"], "PRISM_ADMIN", "nowhere"),
    ] {
        let ran = run(name, words, &[(variable, OsStr::new(value))]);
        assert_eq!(ran.code, 2, "{ran:?}");
        let named = format!("invalid value '{value}' for '{variable}'");
        assert!(ran.err.contains(&named) && !ran.err.contains("for '--"), "{ran:?}");
    }
    let bytes = OsString::from_vec(vec![0xff]);
    let ran = run("prism-proxy", &[], &[("PRISM_PROXY_LOG", &bytes)]);
    assert!(ran.code == 2 && ran.err.contains("PRISM_PROXY_LOG"), "{ran:?}");
}

#[test]
fn a_wrong_flag_is_told_as_a_flag() {
    for value in ["nowhere", "elsewhere", "127.0.0.1:0"] {
        let ran = run("prism-proxy", &["--listen", "nowhere"], &[("PRISM_PROXY_LISTEN", OsStr::new(value))]);
        assert!(
            ran.code == 2 && ran.err.contains("invalid value 'nowhere' for '--listen <ADDR>'"),
            "{ran:?}"
        );
    }
}
