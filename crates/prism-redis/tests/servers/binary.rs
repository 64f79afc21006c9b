//! The binary: its exit codes, and that it starts without its server.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prism-redis"));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("PRISM_") {
            command.env_remove(variable);
        }
    }
    command
}

#[test]
fn wrong_settings_end_it_with_78_and_name_each_flag() {
    let words = ["--redis", "redis://:hunter2@a", "--layout", "flat", "--connections", "0"];
    let output = binary().args(words).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{told}");
    for words in ["--redis: ", "password_file", "--layout: ", "--connections: "] {
        assert!(told.contains(words), "{told}");
    }
    assert!(!told.contains("hunter2"), "{told}");
    assert_eq!(binary().output().unwrap().status.code(), Some(2), "without a server, it is used wrongly");
}

#[test]
fn it_starts_without_its_server_and_stops_when_told() {
    let words = ["--redis", "redis://127.0.0.1:1", "--listen", "127.0.0.1:0", "--log", "warn"];
    let mut child = binary().args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    assert!(ready.starts_with("prism-redis ready grpc=127.0.0.1:"), "{ready}");
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let why = log.find(|line| line.contains("not serving")).unwrap();
    assert!(why.contains("cannot connect to 127.0.0.1:1"), "{why}");
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}
