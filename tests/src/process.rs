//! Builds the workspace's binaries once and starts them as a user would, on ports that the system chooses.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::http;

/// How long a process may take to become ready, or to end. Far more than it takes: a busy machine is not a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// The binaries of the workspace, built in the profile and target directory of the running test. `cargo test` in one
/// package does not build another's binaries, and would test stale ones.
static BINARIES: LazyLock<HashMap<String, PathBuf>> = LazyLock::new(build);

fn build() -> HashMap<String, PathBuf> {
    let profile = match profile_dir().file_name().and_then(OsStr::to_str) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // `--examples`, of which there are none, gives the dependencies the features that `cargo test` gives them, so that
    // nothing is compiled for a second time.
    let output = without_package(&mut Command::new(cargo))
        .args(["build", "--workspace", "--bins", "--examples", "--profile", profile])
        .args(["--quiet", "--message-format=json"])
        .arg("--target-dir")
        .arg(target())
        .current_dir(workspace())
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "the workspace's binaries do not build");
    let messages = output.stdout.split(|byte| *byte == b'\n');
    let artifacts = messages.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let binary = |artifact: Value| {
        let path = PathBuf::from(artifact["executable"].as_str()?);
        Some((artifact["target"]["name"].as_str()?.to_owned(), path))
    };
    artifacts.filter_map(binary).collect()
}

/// The command without what cargo has set for the package under test. Build scripts such as ring's run again when these variables have
/// changed, and a cargo that inherited them would compile most of the workspace once more, as would the next cargo outside the test.
pub fn without_package(command: &mut Command) -> &mut Command {
    let variables = std::env::vars_os().map(|(variable, _)| variable);
    for variable in variables.filter(|variable| is_of_package(&variable.to_string_lossy())) {
        command.env_remove(variable);
    }
    command
}

fn is_of_package(variable: &str) -> bool {
    variable == "OUT_DIR"
        || ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_EXE_"]
            .iter()
            .any(|prefix| variable.starts_with(prefix))
}

/// `target/PROFILE`, where the running test is `target/PROFILE/deps/TEST`.
fn profile_dir() -> &'static Path {
    static DIR: LazyLock<PathBuf> = LazyLock::new(|| {
        let test = std::env::current_exe().expect("a running test has a path");
        test.ancestors().nth(2).expect("cargo puts tests into target/PROFILE/deps").to_owned()
    });
    &DIR
}

/// The target directory of the running test.
#[must_use]
pub fn target() -> &'static Path {
    profile_dir().parent().expect("cargo puts tests into target/PROFILE/deps")
}

/// The root of the workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in the workspace")
}

/// The path of a binary of the workspace.
#[must_use]
pub fn binary(name: &str) -> &'static Path {
    BINARIES.get(name).unwrap_or_else(|| panic!("the workspace has no binary {name}"))
}

/// A command for a binary of the workspace, without Prism's variables from the caller's shell.
#[must_use]
pub fn command(name: &str) -> Command {
    without_variables(Command::new(binary(name)))
}

/// The same, after a shell has run a line such as `ulimit -n 64`.
#[must_use]
pub fn command_after(line: &str, name: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{line} && exec \"$0\" \"$@\"")]).arg(binary(name));
    without_variables(shell)
}

/// The command without Prism's variables.
pub(crate) fn without_variables(mut command: Command) -> Command {
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("PRISM_") {
            command.env_remove(variable);
        }
    }
    command
}

/// The binary of a proxy.
pub const PROXY: &str = "prism-proxy";

/// The name of a configuration file.
const CONFIG: &str = "prism.yaml";

/// The text of a configuration file with these namespaces: name and endpoint.
#[must_use]
pub fn config(namespaces: &[(&str, &str)]) -> String {
    let section = |(name, endpoint): &(&str, &str)| {
        format!("  - name: {name}\n    pattern: keyvalue\n    plugin:\n      endpoint: \"{endpoint}\"\n")
    };
    let sections: String = namespaces.iter().map(section).collect();
    format!("namespaces:\n{sections}")
}

/// A running process. It is ended when dropped; if the test fails, its log is shown.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    lines: Receiver<String>,
    log: Arc<Mutex<String>>,
    /// Ends once all of the log has been read.
    logging: Option<JoinHandle<()>>,
    /// The line that it printed once it was ready.
    pub ready: String,
}

impl Process {
    /// Starts a server with these arguments and waits for its ready line.
    ///
    /// # Panics
    /// It ends, or prints something else or nothing.
    pub fn start<A: AsRef<OsStr>>(name: &str, args: impl IntoIterator<Item = A>) -> Self {
        Self::spawn(name, command(name).args(args))
    }

    /// Starts a server by a command and waits for its ready line.
    ///
    /// # Panics
    /// It ends, or prints something else or nothing.
    pub fn spawn(name: &str, command: &mut Command) -> Self {
        Self::spawn_logging_to(Stdio::piped(), name, command)
    }

    /// The same, with the caller's standard error.
    ///
    /// # Panics
    /// It ends, or prints something else or nothing.
    pub fn spawn_logging_to(stderr: Stdio, name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let (send, lines) = channel();
        let stdout = child.stdout.take().expect("stdout is piped");
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        let log = Arc::new(Mutex::new(String::new()));
        let logging = child.stderr.take().map(|stderr| {
            let collected = Arc::clone(&log);
            std::thread::spawn(move || collect(stderr, &collected))
        });
        let mut process = Self { name: name.to_owned(), child, lines, log, logging, ready: String::new() };
        process.ready = process.next_line();
        process
    }

    /// The next line on standard output.
    ///
    /// # Panics
    /// No line is printed in time.
    pub fn next_line(&mut self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap_or_else(|error| {
            let why = match error {
                RecvTimeoutError::Timeout => "printed no line in time",
                RecvTimeoutError::Disconnected => "ended",
            };
            panic!("{} {why}; its log:\n{}", self.name, self.log())
        })
    }

    /// The address in the ready line under `key` (`grpc`, `http`).
    ///
    /// # Panics
    /// The line has none.
    #[must_use]
    pub fn address(&self, key: &str) -> &str {
        let mut words = self.ready.split(' ');
        words
            .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
            .unwrap_or_else(|| panic!("{:?} has no {key}= address", self.ready))
    }

    /// Where it serves gRPC.
    #[must_use]
    pub fn grpc(&self) -> &str {
        self.address("grpc")
    }

    /// A metric without labels from its `/metrics`.
    ///
    /// # Panics
    /// It has no such metric.
    pub async fn metric(&self, name: &str) -> f64 {
        let (_, page) = http::get(self.address("http"), "/metrics").await;
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_else(|| panic!("{} has no metric {name}:\n{page}", self.name))
    }

    /// Polls a metric until its value is right.
    ///
    /// # Panics
    /// It is not right in time.
    pub async fn until_metric(&self, name: &str, is_right: impl Fn(f64) -> bool) {
        let begun = Instant::now();
        loop {
            let value = self.metric(name).await;
            if is_right(value) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{} of {} stays {value}", name, self.name);
        }
    }

    /// What it has written to standard error.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Waits until it has written a text to standard error: the log has a thread of its own.
    ///
    /// # Panics
    /// It does not write it in time.
    pub async fn until_logged(&self, text: &str) {
        let begun = Instant::now();
        while !self.log().contains(text) {
            assert!(begun.elapsed() < PATIENCE, "{} does not log {text:?}:\n{}", self.name, self.log());
            tokio::task::yield_now().await;
        }
    }

    /// Sends a signal, unless it has ended.
    ///
    /// # Panics
    /// It cannot be signalled.
    pub fn signal(&mut self, signal: Signal) {
        // A child that has been awaited is gone, and its pid may be another's.
        if matches!(self.child.try_wait(), Ok(None)) {
            let sent = kill_process(self.pid(), signal);
            sent.unwrap_or_else(|error| panic!("{} cannot be signalled: {error}", self.name));
        }
    }

    /// Waits for its end, and until its log is complete.
    ///
    /// # Panics
    /// It does not end in time.
    pub fn wait(&mut self) -> ExitStatus {
        assert!(self.ends_within(PATIENCE), "{} does not end; its log:\n{}", self.name, self.log());
        let status = self.child.wait().expect("a child can be waited for");
        if let Some(logging) = self.logging.take() {
            logging.join().expect("a log can be read");
        }
        status
    }

    /// Whether it has ended, or does so within `limit`.
    fn ends_within(&mut self, limit: Duration) -> bool {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return true;
        }
        // A child that has not been awaited keeps its pid, so this is it and no other process.
        let process = pidfd_open(self.pid(), PidfdFlags::empty()).expect("a child can be watched");
        let limit = Timespec::try_from(limit).expect("the limit is short");
        poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&limit)).expect("a child can be watched") > 0
    }

    /// Its pid.
    ///
    /// # Panics
    /// It has none.
    #[must_use]
    pub fn pid(&self) -> Pid {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a child has a pid")
    }

    /// Kills it at once, like a crash.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Two signals end a server without a drain, but with its clean-up, such as removing its socket.
        self.signal(Signal::TERM);
        self.signal(Signal::INT);
        self.ends_within(Duration::from_secs(5));
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- log of {} ---\n{}", self.name, self.log());
        }
    }
}

fn collect(from: impl Read, into: &Mutex<String>) {
    for line in BufReader::new(from).lines().map_while(Result::ok) {
        let mut log = into.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        log.push_str(&line);
        log.push('\n');
    }
}

/// A proxy on its own ports, and what it depends on.
#[derive(Debug)]
pub struct Proxy {
    /// The process.
    pub process: Process,
    folder: tempfile::TempDir,
}

impl Proxy {
    /// Starts a proxy with these namespaces: name and endpoint.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(namespaces: &[(&str, &str)]) -> Self {
        Self::with_config(&config(namespaces))
    }

    /// Starts a proxy with the text of a configuration file.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn with_config(text: &str) -> Self {
        Self::with_flags(text, &[])
    }

    /// Starts a proxy with the text of a configuration file and additional flags.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn with_flags(text: &str, flags: &[&str]) -> Self {
        Self::spawn(text, command(PROXY).args(flags), Stdio::piped())
    }

    /// Starts a proxy with the text of a configuration file by a command, with the caller's standard error.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn spawn(text: &str, command: &mut Command, stderr: Stdio) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = folder.path().join(CONFIG);
        std::fs::write(&file, text).expect("the configuration can be written");
        // A repeated flag is an error, so a command has its own `--listen`.
        if !command.get_args().any(|arg| arg == "--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.args(["--http-listen", "127.0.0.1:0", "--config"]).arg(file);
        Self { process: Process::spawn_logging_to(stderr, PROXY, command), folder }
    }

    /// Replaces the configuration file atomically.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn write(&self, text: impl AsRef<[u8]>) {
        let new = self.folder().join("new");
        std::fs::write(&new, text).expect("the configuration can be written");
        std::fs::rename(new, self.folder().join(CONFIG)).expect("the configuration can be replaced");
    }

    /// Replaces the configuration file and waits until the proxy has checked it. Returns the proxy's status.
    ///
    /// # Panics
    /// The proxy does not check it in time.
    pub async fn take(&self, text: impl AsRef<[u8]>) -> Value {
        let revision = format!("{:x}", Sha256::digest(text.as_ref()));
        self.write(text);
        let status = self.status(&format!("?wait_for={revision}")).await;
        assert_eq!(status["last_attempt"]["revision"], *revision, "{status}");
        status
    }

    /// The content of `/config/status`.
    ///
    /// # Panics
    /// It is not JSON.
    pub async fn status(&self, query: &str) -> Value {
        let (status, body) = http::get(self.process.address("http"), &format!("/config/status{query}")).await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("the status is JSON")
    }

    /// Where it serves gRPC.
    #[must_use]
    pub fn grpc(&self) -> &str {
        self.process.grpc()
    }

    /// The folder of its configuration.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
