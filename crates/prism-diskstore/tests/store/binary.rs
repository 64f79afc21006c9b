//! The binary: its exit codes, that it keeps what it acknowledged when it is killed, and that it stops when told.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prism-diskstore"));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("PRISM_") {
            command.env_remove(variable);
        }
    }
    command
}

/// A running plugin.
pub(crate) struct Plugin {
    child: Child,
    pub(crate) address: String,
}

impl Plugin {
    pub(crate) fn start(path: &Path, words: &[&str]) -> Self {
        let mut command = binary();
        command.args(["--listen", "127.0.0.1:0", "--min-free", "0", "--path"]).arg(path).args(words);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let address = ready.trim().strip_prefix("prism-diskstore ready grpc=").expect("the ready line");
        Self { child, address: address.to_owned() }
    }

    pub(crate) fn stop(mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
fn wrong_settings_end_it_with_78() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let ends = |words: &[&str]| {
        let output = binary().args(words).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let path = file.to_str().unwrap();
    let (code, told) = ends(&["--path", path]);
    assert_eq!(code, Some(78), "{told}");
    assert!(told.contains(path) && told.contains("is a file, not a folder"), "{told}");
    let (code, told) = ends(&["--path", path, "--cache-size", "1KiB"]);
    assert_eq!(code, Some(78), "{told}");
    assert!(told.contains("--cache-size"), "{told}");
    let (code, told) = ends(&["--path", path, "--durability", "2s"]);
    assert_eq!(code, Some(2), "{told}");
    assert_eq!(ends(&[]).0, Some(2), "without a path, it is used wrongly");
}

#[test]
fn it_stops_when_told_and_opens_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    Plugin::start(&path, &["--durability", "1s"]).stop();
    assert!(path.join("CLOSED").exists(), "a store that was closed says so");
    Plugin::start(&path, &["--durability", "every_write"]).stop();
}
