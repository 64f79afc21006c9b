//! An admin on a port of its own, with a file in a folder of its own.

use std::path::{Path, PathBuf};

use crate::http::{self, Answer};
use crate::process::Process;

/// A proxy that is not there: nothing listens on port 1.
pub const NO_PROXY: &str = "http://127.0.0.1:1";

/// A running `prism-admin`.
#[derive(Debug)]
pub struct Admin {
    /// The process.
    pub process: Process,
    folder: tempfile::TempDir,
}

impl Admin {
    /// Starts one without a proxy on a file of this text; `None`: there is no file.
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

/// A namespace as JSON.
#[must_use]
pub fn namespace(name: &str, endpoint: &str) -> String {
    format!(r#"{{"name":"{name}","pattern":"keyvalue","plugin":{{"endpoint":"{endpoint}"}}}}"#)
}
