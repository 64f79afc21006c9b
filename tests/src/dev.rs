//! A gateway of `prism dev`, and runs of the `prism` tool against it.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::process::{Process, command};

/// A running `prism dev` on its own ports.
#[derive(Debug)]
pub struct Dev {
    /// The process.
    pub process: Process,
    /// What it printed once it was ready.
    pub ready: Value,
    folder: tempfile::TempDir,
}

impl Dev {
    /// Starts one.
    ///
    /// # Panics
    /// It does not start, or its ready line is not JSON.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&["--listen", "127.0.0.1:0"])
    }

    /// Starts one with these flags, which determine where to listen.
    ///
    /// # Panics
    /// It does not start, or its ready line is not JSON.
    #[must_use]
    pub fn with(flags: &[&str]) -> Self {
        Self::within(tempfile::tempdir().expect("a temporary folder can be made"), flags)
    }

    /// Starts one with its configuration in this folder.
    ///
    /// # Panics
    /// It does not start, or its ready line is not JSON.
    #[must_use]
    pub fn within(folder: tempfile::TempDir, flags: &[&str]) -> Self {
        let path = folder.path().to_str().expect("temporary paths are UTF-8");
        let common = ["dev", "--http-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--json"];
        let process = Process::start("prism", common.iter().chain(&["--folder", path]).chain(flags));
        let ready = serde_json::from_str(&process.ready)
            .unwrap_or_else(|error| panic!("{:?} is not JSON: {error}", process.ready));
        Self { process, ready, folder }
    }

    /// The address in the ready line under `key` (`grpc`, `http`).
    ///
    /// # Panics
    /// The line has none.
    #[must_use]
    pub fn address(&self, key: &str) -> &str {
        self.ready[key].as_str().unwrap_or_else(|| panic!("{} has no address {key}", self.ready))
    }

    /// The folder of its configuration.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A command of the tool that uses this gateway.
    #[must_use]
    pub fn prism(&self, words: &[&str]) -> Command {
        let mut prism = command("prism");
        prism.args(words).args(patience(words)).env("PRISM_ADDRESS", self.address("grpc"));
        prism.env("PRISM_ADMIN", format!("http://{}", self.address("admin")));
        prism
    }

    /// Runs a command of the tool against this gateway, with nothing on standard input.
    ///
    /// # Panics
    /// It cannot be run.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> Ran {
        Ran::of(&mut self.prism(words), b"")
    }
}

/// Flags that give a data command more time than its calls have by default, unless it sets a timeout itself: a busy
/// machine is not a failure.
pub(crate) fn patience(words: &[&str]) -> &'static [&'static str] {
    let has_calls = matches!(words.first(), Some(&("kv" | "list" | "import" | "export" | "bench")));
    if has_calls && !words.contains(&"--timeout") { &["--timeout", "1min"] } else { &[] }
}

/// How a command ended, and its output.
#[derive(Debug)]
pub struct Ran {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: Vec<u8>,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Runs the tool with these words.
    ///
    /// # Panics
    /// It cannot be run.
    pub fn prism<A: AsRef<OsStr>>(words: impl IntoIterator<Item = A>) -> Self {
        Self::of(command("prism").args(words), b"")
    }

    /// Runs a command with this input.
    ///
    /// # Panics
    /// It cannot be run, is killed by a signal, or its standard error is not UTF-8.
    pub fn of(command: &mut Command, input: &[u8]) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("the command can be started");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        // A command that does not read its input may end before all of it has been written.
        let _ = stdin.write_all(input);
        drop(stdin);
        let output = child.wait_with_output().expect("the command can be waited for");
        Self {
            code: output.status.code().expect("it ends by itself"),
            out: output.stdout,
            err: String::from_utf8(output.stderr).expect("messages are UTF-8"),
        }
    }

    /// Standard output as text; the command must have succeeded, with nothing on standard error.
    ///
    /// # Panics
    /// It did not.
    #[must_use]
    pub fn text(&self) -> &str {
        assert!(self.code == 0 && self.err.is_empty(), "{self:?}");
        std::str::from_utf8(&self.out).expect("this output is UTF-8")
    }

    /// Standard output as JSON objects, one per line.
    ///
    /// # Panics
    /// It is anything else.
    #[must_use]
    pub fn json(&self) -> Vec<Value> {
        let object = |line| serde_json::from_slice(line).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        self.out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(object).collect()
    }

    /// The standard error of a command with `-o json`: exactly one error.
    ///
    /// # Panics
    /// It is anything else.
    #[must_use]
    pub fn error(&self) -> Value {
        let object: Value =
            serde_json::from_str(&self.err).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        object["error"].clone()
    }
}
