//! A store, a proxy and an admin on one file, as the console has them.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::admin::Admin;
use crate::http::{Answer, send};
use crate::process::{Process, command};

/// The content type of a value.
pub const BYTES: (&str, &str) = ("content-type", "application/octet-stream");

/// A store, a proxy and an admin on one file with the namespace `default`.
#[derive(Debug)]
pub struct Stack {
    /// The admin.
    pub admin: Admin,
    /// The proxy.
    pub proxy: Process,
    /// The store.
    pub memstore: Process,
}

impl Stack {
    /// Starts all, the admin with these flags.
    ///
    /// # Panics
    /// One does not start.
    #[must_use]
    pub fn start(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = folder.path().join("prism.yaml");
        let memstore = Process::start("prism-memstore", ["--listen", "127.0.0.1:0"]);
        let default =
            format!("{{name: default, pattern: keyvalue, plugin: {{endpoint: '{}'}}}}", memstore.grpc());
        std::fs::write(&file, format!("namespaces: [{default}]\n")).expect("the file can be written");
        let listen = ["--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--config"];
        let file = file.to_str().expect("a temporary path is text");
        let proxy = Process::start("prism-proxy", listen.iter().copied().chain([file]));
        let url = format!("http://{}", proxy.address("http"));
        let own = ["--proxy", &url, "--gateway", proxy.grpc()];
        let admin = Admin::within(folder, &[&own, flags].concat());
        Self { admin, proxy, memstore }
    }

    /// Stores a value.
    pub fn set(&self, key: &str, value: &[u8]) -> Answer {
        self.send("PUT", &format!("value?key={key}"), &[], value)
    }

    /// Sends a value, or nothing, to a path of the namespace `default`.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let path = format!("/namespaces/default/{path}");
        send(self.admin.http(), method, &path, &[headers, &[BYTES]].concat(), body)
    }

    /// A page of keys.
    #[must_use]
    pub fn keys(&self, query: &str) -> Value {
        self.send("GET", &format!("keys?{query}"), &[], b"").json()
    }
}

/// Tokens of each role, in a file in the folder.
///
/// # Panics
/// They cannot be made.
#[must_use]
pub fn tokens(folder: &Path) -> (String, [String; 3]) {
    let file = folder.join("tokens").to_str().expect("a temporary path is text").to_owned();
    let issue = |role: &str| {
        let mut issuing: Command = command("prism-admin");
        issuing.args(["token", "--role", role, "--name", &format!("a-{role}"), "--token-file", &file]);
        let issued = issuing.output().expect("the admin runs").stdout;
        String::from_utf8(issued).expect("a token is text").trim().to_owned()
    };
    let issued = ["read", "data", "write"].map(issue);
    (file, issued)
}
