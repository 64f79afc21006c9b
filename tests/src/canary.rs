//! Everything that has secrets, each of which is a canary: none may appear in a log, status, page, metric or span.

use std::path::Path;

use prism_net::tls::Protocol;

use crate::admin;
use crate::collector::Collector;
use crate::guarded::issue;
use crate::http::{Answer, KeptOpen};
use crate::process::{Process, Proxy, command};
use crate::redis::Redis;
use crate::tls::{Site, by_name, connect};

const WHY: &str = "files can be written and servers respond";

/// What is stored.
pub const VALUE: &str = "canary-of-a-value";

/// Where it is stored.
pub const KEY: &str = "canary-of-a-key";

/// What must appear nowhere.
#[derive(Debug)]
pub struct Canaries(pub Vec<String>);

impl Canaries {
    /// Looks for them in a text.
    ///
    /// # Panics
    /// One is there.
    pub fn check(&self, place: &str, text: &str) {
        for canary in &self.0 {
            assert!(!text.contains(canary.as_str()), "{place} has {canary}: {text}");
        }
    }
}

/// The lines of a private key in PEM that nothing else has.
fn lines_of_key(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).expect(WHY);
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("-----")).map(str::to_owned).collect();
    // The first line begins with the kind of the key.
    assert!(lines.len() > 1 && lines.iter().all(|line| line.len() > 20), "{} lines", lines.len());
    lines
}

/// Everything that has secrets: a proxy with TLS in front of a Redis with a password, through its own driver and a plugin, with
/// a certificate and a token towards the plugin; an admin with tokens; a collector of their spans.
#[derive(Debug)]
pub struct Whole {
    /// The certificates, and other files.
    pub site: Site,
    /// It has the spans of proxy and plugin.
    pub collector: Collector,
    /// The proxy.
    pub proxy: Proxy,
    /// The plugin, `prism-redis`.
    pub plugin: Process,
    /// The admin.
    pub admin: Process,
    /// A token of a caller of the proxy.
    pub caller: String,
    /// A token of the admin that may do everything.
    pub operator: String,
    /// One that may not see keys.
    pub viewer: String,
    /// What must appear nowhere.
    pub canaries: Canaries,
    /// The Redis.
    pub redis: Redis,
}

impl Whole {
    /// Starts it. The namespaces `cache` (embedded), `plugin`, and `wrong`, whose password is, are the caller's.
    ///
    /// # Panics
    /// A part of it does not start.
    pub async fn start() -> Self {
        const PASSWORD: &str = "canary-of-a-password";
        const WRONG_PASSWORD: &str = "canary-of-another-password";
        let (site, collector) = (Site::default(), Collector::start().await);
        site.clients.write_pair(site.folder(), "proxy", "proxy.example");
        let redis = Redis::with_password(PASSWORD);
        for (name, password) in [("password", PASSWORD), ("wrong-password", WRONG_PASSWORD)] {
            std::fs::write(site.path(name), password).expect(WHY);
        }
        let caller = issue(&site.path("callers"), "caller", &[]);
        let own = issue(&site.path("plugin-tokens"), "proxy", &[]);
        std::fs::write(site.path("own"), &own).expect(WHY);
        let [operator, viewer] = ["write", "read"].map(|role| {
            let flags = ["token", "--role", role, "--name", role, "--token-file", &site.text("admin-tokens")];
            let made = command("prism-admin").args(flags).output().expect(WHY);
            String::from_utf8(made.stdout).expect(WHY).trim().to_owned()
        });

        let (url, tls) = (redis.url(), site.flags());
        let common = ["--log", "trace", "--otlp-endpoint", collector.endpoint()];
        let [password, tokens] = ["password", "plugin-tokens"].map(|name| site.text(name));
        let flags = ["--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--redis", &url];
        let secrets = ["--password-file", &password, "--require-caller", "--token-file", &tokens];
        let flags = flags.iter().chain(&secrets).chain(&common).map(|flag| (*flag).to_owned());
        let plugin = Process::start("prism-redis", flags.chain(tls.iter().cloned()));

        let file = |name: &str| format!("{:?}", site.path(name));
        let text = format!(
            "{}  token_file: {}\nbackends:\n  \
             - {{ name: cache, embedded: redis, options: {{ url: '{url}', password_file: {} }} }}\n  \
             - {{ name: wrong, embedded: redis, options: {{ url: '{url}', password_file: {} }} }}\n  \
             - {{ name: plugin, endpoint: '{}', token_file: {}, tls: {{ ca_file: {}, certificate_file: {}, key_file: {} }} }}\n\
             namespaces:\n{}",
            site.section(),
            file("callers"),
            file("password"),
            file("wrong-password"),
            by_name(plugin.grpc()),
            file("own"),
            file("servers.ca"),
            file("proxy.crt"),
            file("proxy.key"),
            ["cache", "wrong", "plugin"].map(namespace).concat(),
        );
        let proxy = Proxy::with_flags(&text, &[&common[..], &["--access-log"]].concat());
        let (grpc, http) = (by_name(proxy.grpc()), by_name(proxy.process.address("http")));
        let [ca, admin_tokens, root] = ["servers.ca", "admin-tokens", ""].map(|name| site.text(name));
        let (grpc, http) = (format!("https://{grpc}"), format!("https://{http}"));
        let flags = ["--proxy", &http, "--gateway", &grpc, "--proxy-ca-file", &ca, "--log", "trace"];
        let more = ["--token-file", &admin_tokens, "--secrets-root", &root];
        let tls = tls.iter().map(String::as_str);
        let flags: Vec<_> = flags.into_iter().chain(more).chain(tls).collect();
        let admin = admin::on(&proxy.folder().join("prism.yaml"), &flags);

        let keys = ["server.key", "proxy.key"].iter().flat_map(|name| lines_of_key(&site.path(name)));
        let secrets =
            [&caller, &own, &operator, &viewer, PASSWORD, WRONG_PASSWORD, KEY, VALUE].map(str::to_owned);
        let canaries = Canaries(secrets.into_iter().chain(keys).collect());
        Self { site, collector, proxy, plugin, admin, caller, operator, viewer, canaries, redis }
    }

    /// Sends a request to a port with TLS.
    ///
    /// # Panics
    /// Nothing responds.
    pub async fn ask(
        &self,
        address: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let client = self.site.showing(Protocol::Http1, None);
        let mut connection = KeptOpen::over(connect(&client, address).await.expect(WHY));
        connection.send(method, path, headers, body.as_bytes()).await.expect(WHY)
    }

    /// Sends a request to the admin, and checks the answer unless it should have a key or a value.
    ///
    /// # Panics
    /// Nothing responds, or the answer has a canary.
    pub async fn ask_admin(&self, method: &str, path: &str, kind: &str, body: &str) -> Answer {
        // The audit log has keys, for those who may see them.
        let token =
            if method == "GET" && !path.starts_with("/namespaces/") { &self.viewer } else { &self.operator };
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
        let answer = self.ask(self.admin.address("http"), method, path, &headers, body).await;
        if !path.starts_with("/namespaces/") {
            self.canaries.check(path, &(answer.head.clone() + &String::from_utf8_lossy(&answer.body)));
        }
        answer
    }
}

/// A namespace of the caller's in a file.
#[must_use]
pub fn namespace(name: &str) -> String {
    format!(
        "  - name: {name}\n    pattern: keyvalue\n    plugin: {{ backend: {name} }}\n    \
         access: [{{ name: 'token:caller', rights: [read, write] }}]\n"
    )
}
