//! The command, as far as it measures nothing: the page from committed figures, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn bench(arguments: &[&str], results: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prism-bench"));
    command.args(arguments).arg("--results").arg(results);
    command
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The files of a folder with these extensions, by name.
fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_one =
        |path: &PathBuf| extensions.iter().any(|one| path.extension().is_some_and(|its| its == *one));
    let mut paths: Vec<_> = paths.filter(is_one).collect();
    paths.sort_unstable();
    paths
}

fn names(paths: &[PathBuf]) -> Vec<&std::ffi::OsStr> {
    paths.iter().map(|path| path.file_name().unwrap()).collect()
}

/// Writes the page and the plots of a folder's figures again, and compares them with what the folder has.
fn is_what_report_writes(committed: &Path) {
    let folder = tempfile::tempdir().unwrap();
    for json in files(committed, &["json"]) {
        std::fs::copy(&json, folder.path().join(json.file_name().unwrap())).unwrap();
    }
    let output = bench(&["report"], folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let (expected, written) = (files(committed, &["md", "svg"]), files(folder.path(), &["md", "svg"]));
    assert_eq!(names(&expected), names(&written));
    for (expected, written) in expected.iter().zip(&written) {
        let is_same = std::fs::read(expected).unwrap() == std::fs::read(written).unwrap();
        assert!(is_same, "{} is stale: run `just bench report`", expected.display());
    }
}

#[test]
fn committed_pages_and_plots_are_those_of_the_committed_figures() {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    is_what_report_writes(&results);
    is_what_report_writes(&results.join("xeon"));
    is_what_report_writes(&results.join("plain"));
}

#[test]
fn a_page_without_figures_names_every_target_as_not_measured() {
    let folder = tempfile::tempdir().unwrap();
    let output = bench(&["report"], folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let page = std::fs::read_to_string(folder.path().join("README.md")).unwrap();
    let targets: Vec<_> =
        page.lines().filter(|line| line.contains(" | ≤ ") || line.contains(" | ≥ ")).collect();
    assert!(!targets.is_empty(), "{page}");
    assert!(targets.iter().all(|target| target.ends_with("| not measured |")), "{page}");
    assert!(files(folder.path(), &["svg"]).is_empty());
}

#[test]
fn figures_that_cannot_be_read_are_named_and_leave_the_page_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("growth.json"), "{}").unwrap();
    std::fs::write(folder.path().join("README.md"), "as it was").unwrap();
    let output = bench(&["report"], folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("growth.json"), "{}", said(&output));
    assert_eq!(std::fs::read_to_string(folder.path().join("README.md")).unwrap(), "as it was");
}

#[test]
fn everything_that_is_missing_is_named_together_with_the_packages_that_have_it() {
    let folder = tempfile::tempdir().unwrap();
    let output = bench(&["growth", "python"], folder.path()).env("PATH", folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        said(&output),
        "prism-bench: missing: h2load, redis-server, taskset, python3; \
         on Debian: apt-get install nghttp2-client redis-server util-linux python3-venv\n"
    );
}

#[test]
fn python_modules_that_are_missing_are_named_together() {
    let folder = tempfile::tempdir().unwrap();
    // Programs that are there, and a Python that finds no module.
    for program in ["redis-server", "python3"] {
        std::fs::write(folder.path().join(program), "").unwrap();
    }
    let mut command = bench(&["python", "--python", "/bin/false"], folder.path());
    let output = command.env("PATH", folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let remedy = "/bin/false -m pip install grpcio grpcio-tools redis uvloop ./bindings/python";
    assert!(said(&output).contains(remedy), "{}", said(&output));
}

#[test]
fn a_store_that_is_too_small_to_tell_anything_is_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let output = bench(&["memstore", "--keys", "49999"], folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}
