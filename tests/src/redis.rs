//! A Redis server: Debian's `redis-server`, on a port of its own.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

/// How often another port is tried.
const ATTEMPTS: usize = 20;

/// A running Redis without persistence. It is killed when dropped.
#[derive(Debug)]
pub struct Redis {
    child: Child,
    port: u16,
    password: Option<String>,
}

impl Redis {
    /// Starts a server and returns once it accepts connections.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::with(None)
    }

    /// The same for clients that send this password.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn with_password(password: &str) -> Self {
        Self::with(Some(password.to_owned()))
    }

    fn with(password: Option<String>) -> Self {
        for _ in 0..ATTEMPTS {
            let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
            let port = free.expect("a port is free").port();
            if let Some(child) = launch(port, password.as_deref()) {
                return Self { child, port, password };
            }
        }
        panic!("redis-server does not start; is it installed?")
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Runs a command of the server.
    ///
    /// # Panics
    /// It fails.
    pub fn tell(&self, words: &[&str]) {
        let mut command = Command::new("redis-cli");
        let told =
            command.args(["-e", "-p", &self.port.to_string()]).args(words).stdin(Stdio::null()).output();
        let told = told.expect("redis-cli runs; is it installed?");
        assert!(told.status.success(), "{words:?}: {}", String::from_utf8_lossy(&told.stdout));
    }

    /// Kills it.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on its port, without its data, after it has been killed.
    ///
    /// # Panics
    /// It does not start.
    pub fn restart(&mut self) {
        let child = (0..ATTEMPTS).find_map(|_| launch(self.port, self.password.as_deref()));
        self.child = child.expect("redis-server starts again");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

fn launch(port: u16, password: Option<&str>) -> Option<Child> {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.args(password.iter().flat_map(|password| ["--requirepass", password]));
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().ok()?;
    let mut lines = BufReader::new(child.stdout.take()?).lines().map_while(Result::ok);
    if !lines.any(|line| line.contains("Ready to accept connections")) {
        let _ = child.wait();
        return None;
    }
    // It must not stop at a full pipe.
    std::thread::spawn(move || lines.for_each(drop));
    Some(child)
}
