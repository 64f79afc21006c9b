//! An admin on its own port, with a file in its own folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::dev::{Ran, patience};
use crate::http::{self, Answer};
use crate::process::{Process, Proxy, command};

/// A missing proxy: nothing listens on port 1.
pub const NO_PROXY: &str = "http://127.0.0.1:1";

/// A running `prism-admin`.
#[derive(Debug)]
pub struct Admin {
    /// The process.
    pub process: Process,
    folder: tempfile::TempDir,
}

impl Admin {
    /// Starts one without a proxy, on a file with this text; `None`: the file does not exist.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(text: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        if let Some(text) = text {
            std::fs::write(folder.path().join("prism.yaml"), text).expect("the file can be written");
        }
        Self::within(folder, &["--proxy", NO_PROXY])
    }

    /// Starts one on `prism.yaml` in this folder.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn within(folder: tempfile::TempDir, flags: &[&str]) -> Self {
        let process = on(&folder.path().join("prism.yaml"), flags);
        Self { process, folder }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("prism.yaml")
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file's text.
    ///
    /// # Panics
    /// It cannot be read.
    #[must_use]
    pub fn text(&self) -> String {
        std::fs::read_to_string(self.file()).expect("the file is there")
    }

    /// Where it serves HTTP.
    #[must_use]
    pub fn http(&self) -> &str {
        self.process.address("http")
    }

    /// Sends a request without a body.
    #[must_use]
    pub fn ask(&self, method: &str, path: &str) -> Answer {
        http::send(self.http(), method, path, &[], b"")
    }

    /// Sends JSON.
    #[must_use]
    pub fn json(&self, method: &str, path: &str, body: &str) -> Answer {
        http::send(self.http(), method, path, &[("content-type", "application/json")], body.as_bytes())
    }

    /// Sends a file.
    #[must_use]
    pub fn yaml(&self, path: &str, body: &[u8]) -> Answer {
        http::send(self.http(), "PUT", path, &[("content-type", "application/yaml")], body)
    }
}

/// Starts an admin on a file.
///
/// # Panics
/// It does not start.
#[must_use]
pub fn on(file: &Path, flags: &[&str]) -> Process {
    let file = file.to_str().expect("temporary paths are UTF-8");
    let common = ["--listen", "127.0.0.1:0", "--proxy-config", file];
    Process::start("prism-admin", common.iter().chain(flags))
}

/// A proxy, and an admin that owns its file and waits for it.
#[derive(Debug)]
pub struct Gateway {
    /// The admin.
    pub admin: Process,
    /// The proxy.
    pub proxy: Proxy,
}

impl Gateway {
    /// Starts both with these namespaces, name and endpoint, and further flags for the admin.
    ///
    /// # Panics
    /// One does not start.
    #[must_use]
    pub fn start(namespaces: &[(&str, &str)], flags: &[&str]) -> Self {
        Self::of(Proxy::start(namespaces), flags)
    }

    /// Starts an admin for a proxy that runs already.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn of(proxy: Proxy, flags: &[&str]) -> Self {
        let url = format!("http://{}", proxy.process.address("http"));
        let flags = [&["--proxy", &url], flags].concat();
        Self { admin: on(&proxy.folder().join("prism.yaml"), &flags), proxy }
    }

    /// The file's text.
    ///
    /// # Panics
    /// It cannot be read.
    #[must_use]
    pub fn text(&self) -> String {
        std::fs::read_to_string(self.proxy.folder().join("prism.yaml")).expect("the file is there")
    }

    /// Where the admin serves HTTP.
    #[must_use]
    pub fn http(&self) -> &str {
        self.admin.address("http")
    }

    /// The line that a write prints for the proxy once it has applied the change.
    #[must_use]
    pub fn applied(&self) -> String {
        format!("  http://{}  applied\n", self.proxy.process.address("http"))
    }

    /// A command of the tool that uses this admin and this proxy.
    #[must_use]
    pub fn prism(&self, words: &[&str]) -> Command {
        let mut prism = command("prism");
        prism.args(words).args(patience(words)).env("PRISM_ADMIN", format!("http://{}", self.http()));
        prism.env("PRISM_ADDRESS", self.proxy.grpc());
        prism
    }

    /// Runs a command of the tool, with nothing on standard input.
    ///
    /// # Panics
    /// It cannot be run.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> Ran {
        Ran::of(&mut self.prism(words), b"")
    }

    /// Runs a command of the tool with JSON output.
    ///
    /// # Panics
    /// It cannot be run.
    #[must_use]
    pub fn run_json(&self, words: &[&str]) -> Ran {
        self.run(&[words, &["-o", "json"]].concat())
    }
}

/// A namespace as JSON.
#[must_use]
pub fn namespace(name: &str, endpoint: &str) -> String {
    format!(r#"{{"name":"{name}","pattern":"keyvalue","plugin":{{"endpoint":"{endpoint}"}}}}"#)
}
