//! The guides compared with the binaries: they document exactly the existing flags, variables, defaults, configuration
//! keys and exit codes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::process::Command;

use prism_e2e::process::{command, workspace};
use prism_runtime::exit::ServerError;

fn guide(name: &str) -> String {
    std::fs::read_to_string(workspace().join("docs").join(name)).unwrap()
}

/// The text between a heading and the next one.
fn section<'a>(guide: &'a str, heading: &str) -> &'a str {
    let (_, rest) =
        guide.split_once(&format!("{heading}\n")).unwrap_or_else(|| panic!("{heading} is missing"));
    rest.split("\n#").next().unwrap()
}

/// The cells of the rows whose first cell begins like this, without code marks.
fn rows<'a>(text: &'a str, first: &str) -> impl Iterator<Item = Vec<String>> + use<'a> {
    let first = format!("| {first}");
    let rows = text.lines().filter(move |line| line.starts_with(&first));
    rows.map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().replace('`', "")).collect())
}

fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

/// The bracketed text after a word, such as `[default: 10s]`, up to a semicolon.
fn bracketed(text: &str, word: &str) -> String {
    let found =
        text.split_once(&format!("[{word}: ")).and_then(|(_, rest)| rest.split([']', ';', '=']).next());
    found.unwrap_or_default().to_owned()
}

/// Flag, variable and default of each flag in `--help`.
fn flags(help: &str) -> BTreeSet<[String; 3]> {
    let mut flags: Vec<(String, String)> = Vec::new();
    for line in help.lines() {
        let text = line.trim_start();
        // Flags begin in the seventh column or before; their descriptions are further right.
        let is_flag = line.len() - text.len() <= 6 && text.starts_with('-');
        match flags.last_mut() {
            _ if is_flag => flags.push((text.to_owned(), String::new())),
            Some((_, about)) => *about += &format!("{text} "),
            None => {}
        }
    }
    let own = flags.into_iter().filter(|(flag, _)| !flag.ends_with("--help") && !flag.ends_with("--version"));
    own.map(|(flag, about)| [flag, bracketed(&about, "env"), bracketed(&about, "default")]).collect()
}

#[test]
fn the_guide_lists_every_flag_with_its_variable_and_default() {
    let guide = guide("OPERATIONS.md");
    for (name, words) in [
        ("prism-proxy", &[][..]),
        ("prism-memstore", &[]),
        ("prism-diskstore", &[]),
        ("prism-redis", &[]),
        ("prism-admin", &[]),
        ("prism-admin token", &["token"]),
    ] {
        let binary = name.split(' ').next().unwrap();
        let there = flags(&said(command(binary).args(words).arg("--help")));
        let cells = rows(section(&guide, &format!("### `{name}`")), "`--").map(|row| {
            let [flag, variable, default, _] = row.try_into().unwrap();
            [flag, variable, default]
        });
        let listed: BTreeSet<_> = cells.collect();
        assert!(there.len() > 2, "{there:?}");
        assert_eq!(listed, there, "{name}");
    }
}

/// The keys that the parser lists when it finds an unknown one.
fn expected(text: &str) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prism.yaml");
    std::fs::write(&file, text).unwrap();
    let told = said(command("prism").args(["config", "validate"]).arg(&file));
    let (_, keys) = told.split_once("expected ").unwrap_or_else(|| panic!("{told}"));
    let keys = keys.lines().next().unwrap().split('`').skip(1).step_by(2);
    keys.map(str::to_owned).collect()
}

#[test]
fn the_guide_lists_every_key_of_the_configuration() {
    let guide = guide("CONFIGURATION.md");
    let listed: BTreeSet<_> =
        rows(section(&guide, "## Keys"), "`").map(|mut row| row.swap_remove(0)).collect();
    let mut there = BTreeSet::new();
    for (parent, text) in [
        ("", "nope: 1\nnamespaces: []\n"),
        ("server.", "server: {nope: 1}\nnamespaces: []\n"),
        ("server.tls.", "server: {tls: {nope: 1}}\nnamespaces: []\n"),
        ("server.jwt.", "server: {jwt: {nope: 1}}\nnamespaces: []\n"),
        ("backends[].", "backends: [{nope: 1}]\nnamespaces: []\n"),
        ("backends[].tls.", "backends: [{name: a, tls: {nope: 1}}]\nnamespaces: []\n"),
        ("namespaces[].", "namespaces: [{nope: 1}]\n"),
        ("namespaces[].plugin.", "namespaces: [{name: a, pattern: list, plugin: {nope: 1}}]\n"),
        ("namespaces[].access[].", "namespaces: [{access: [{nope: 1}]}]\n"),
    ] {
        there.extend(expected(text).into_iter().map(|key| format!("{parent}{key}")));
    }
    // A key that only contains other keys has no row of its own.
    const PARENTS: [&str; 5] =
        ["server", "server.tls", "server.jwt", "backends[].tls", "namespaces[].plugin"];
    there.retain(|key| !PARENTS.contains(&key.as_str()));
    assert_eq!(listed, there);
}

#[test]
fn the_guides_list_every_exit_code() {
    let codes =
        |text: &str| -> BTreeSet<u8> { rows(text, "").filter_map(|row| row[0].parse().ok()).collect() };
    let address = ServerError::Address { address: String::new(), source: std::io::Error::other("") };
    let ended =
        [ServerError::failed(""), address, ServerError::Config(String::new())].map(|error| error.code());
    let servers = guide("OPERATIONS.md");
    // 0 is success, and wrong usage is clap's own.
    assert_eq!(codes(section(&servers, "## Exit codes")), ended.into_iter().chain([0, 2]).collect());

    let help = said(command("prism").arg("--help"));
    let (_, told) = help.split_once("Exit codes:").unwrap();
    let told: BTreeSet<u8> =
        told.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
    assert!(told.len() > 3, "{help}");
    assert_eq!(codes(section(&guide("CLI.md"), "## Exit codes")), told);
}
